"""The statistics that the blocks use: curves, effects, rank tests."""
