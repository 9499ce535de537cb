"""What the blocks compute: curves, effects, rank tests."""
