"""From a model and batches to weights: the loop, its optimiser, its checkpoints."""
