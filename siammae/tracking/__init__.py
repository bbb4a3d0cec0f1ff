"""What is written down of a run; is told things and asks nobody."""
