"""Which frames of which clip make a batch: gaps, targets, mixtures and the loader."""
