"""Auditing: every file of a data set is read once, and what was found is written down."""
