"""The expert blocks, one per module."""
