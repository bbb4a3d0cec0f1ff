"""Heads that also predict how far off the restored pixels may be."""
