"""Runs read back from W&B, and W&B dashboards made from code."""
