"""Exact scores and exact lists from plain arrays: numpy and numba only.

The way in: a `PairScorer` (scorer.py) says what is computed, `score_pairs` (score32.py) computes it for given pairs,
`prepare` (top_n.py) makes the best unseen items of every user from it. Importing this package compiles nothing.
"""
