"""Databases, by JDBC: where one is, how it is spoken to, and what its failures mean."""
