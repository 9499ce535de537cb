"""The tuning methods, one per file. `harness/optimizer.py` holds their contract; `README.md` explains how to add one."""
