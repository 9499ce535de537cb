"""The tasks on public data sets."""
