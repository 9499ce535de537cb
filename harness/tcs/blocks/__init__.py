"""The expert blocks, one module each."""
