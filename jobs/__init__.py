"""Entry points for spark-submit, one file per job."""
