"""How a pair scorer runs on Spark: every pair, or a table of pairs."""
