"""`python -m harness.probe STUDY`: does the model of an LLM arm read the summary? One fact is changed, and the model is asked again.

`changes.py` lists the facts and how each is changed, `states.py` finds recorded states, `asking.py` asks, `measures.py` compares the
proposals, `page.py` shows them. `README.md` says what the numbers mean, and what they do not.
"""
