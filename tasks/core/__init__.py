"""The six core tasks, and what only they need."""
