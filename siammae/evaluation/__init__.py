"""Label propagation with any encoder's features, and its scores."""
