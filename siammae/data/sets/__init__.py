"""Data sets for pre-training, a file each."""
