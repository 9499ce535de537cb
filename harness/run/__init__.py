"""Running cells: the loop, the study, W&B."""
