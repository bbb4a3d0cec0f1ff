"""A model and its run put together: from settings, from a checkpoint, from a run's folder."""
