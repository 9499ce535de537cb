"""The six tasks on public data."""
