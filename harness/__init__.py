"""A benchmark harness for hyperparameter tuners: classical methods, small local LLMs with expert blocks, GPT baselines.

Read `cell.py` first: it is the whole life of a trial in one file.
"""

__version__ = "0.1.0"
