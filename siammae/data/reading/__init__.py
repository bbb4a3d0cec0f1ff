"""Frames out of video files and folders of images."""
