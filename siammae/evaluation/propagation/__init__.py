"""Label propagation: each patch takes the labels of its nearest patches in earlier frames."""
