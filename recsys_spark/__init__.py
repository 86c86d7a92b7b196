"""recsys-spark: the best N unseen items for every user, every night, on Apache Spark.

Importing this package imports nothing else: every job and command loads only what it needs.
"""

__version__ = "0.1.0"
