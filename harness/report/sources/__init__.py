"""Reads a study from its folder or from W&B."""
