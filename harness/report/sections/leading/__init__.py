"""What heads the page: the advice of a race, and the best of the methods with an LLM and without."""
