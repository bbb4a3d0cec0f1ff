"""Speed and memory, measured against baselines of our own."""
