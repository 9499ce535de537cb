"""Fixed rules that read the expert blocks."""
