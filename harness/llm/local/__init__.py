"""A model inside this process: its file, what the file says of itself, and the engine that runs it."""
