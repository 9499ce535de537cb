"""The tuning methods, one in each file; see `harness/optimizer.py` for their contract."""
