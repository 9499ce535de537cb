"""How sections become text."""
