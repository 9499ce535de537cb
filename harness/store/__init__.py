"""Records on the disk: how a line is written, and who may write it."""
