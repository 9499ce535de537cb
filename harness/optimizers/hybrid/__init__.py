"""Methods that are made of two other methods, which take turns."""
