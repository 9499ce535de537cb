"""LLAMBO: an LLM proposes candidates for a target score, predicts the score of each several times, and expected improvement chooses.

Source: Liu et al., "Large Language Models to Enhance Bayesian Optimization" (arXiv 2402.03921) and its code (commit 196fe23), as described
in facts; prompts and code are ours. See `llambo.py` for what is kept, and what differs on purpose.

options.py     the numbers of candidates, templates and draws, and the calls that they make
prompt.py      the two questions, in `QUESTION_*`, and the target
surrogate.py   from predictions to the expected improvement of each candidate
llambo.py      the optimizer
"""
