"""Configurations: the best of each arm, and which hyperparameters decide the score."""
