"""From cells to frames, arms and statistics."""
