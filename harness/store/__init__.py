"""Records on the disk: how a line is written and read, and which process may write it. See README.md."""
