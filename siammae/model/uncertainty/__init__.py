"""Heads that tell how far off the restored pixels may be."""
