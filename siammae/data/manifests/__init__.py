"""Manifests: what an audit has found of each clip, and clips as a manifest describes them."""
