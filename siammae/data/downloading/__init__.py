"""Fetching data sets and telling whether they are complete."""
