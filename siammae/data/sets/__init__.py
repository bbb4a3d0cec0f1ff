"""Published sets of videos, in the layouts that people have them in."""
