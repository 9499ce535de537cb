"""Real HTTP servers on a local port that behave like LLM services, W&B or a publisher of data, or break as a script says."""
