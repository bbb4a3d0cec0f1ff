"""Clips, pairs of frames and their augmentation; knows no model."""
