"""Which patches are hidden, a strategy a file."""
