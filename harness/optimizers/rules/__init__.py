"""A method without an LLM: fixed rules that read the expert blocks."""
