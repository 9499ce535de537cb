"""What the page says of the published system: which values its LLM chose, and which of its parts does the work."""
