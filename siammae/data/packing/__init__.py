"""Clips decoded once, into tar shards of JPEG frames from which random pairs cost almost nothing.

A pack is a folder of plain ``.tar`` files in the layout of WebDataset, which everyone can open, and
an index that says where each frame lies, so that reading one is a single positioned read.
"""
