"""Real HTTP servers on a local port that behave like LLM services, W&B or a publisher of data, or fail as a script says."""
