"""Forgetting users: everything under the output that names one or was learnt of one. See docs/forget.md."""
