"""The six core tasks."""
