"""What a score is made of, from plain arrays: without Spark and without Keras."""
