"""Statistics over tasks, for studies with many of them: ranks, profiles, chances, and what one task decides."""
