"""Run cells: the loop of one cell, the study, and its mirror on W&B."""
