"""Fetching data sets, and seeing whether they are complete."""
