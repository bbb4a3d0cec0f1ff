"""Crops, flips, rotation and colour: drawn where clips are read, computed on the device."""
