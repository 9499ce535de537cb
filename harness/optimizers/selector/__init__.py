"""Selectors: a method makes a few candidates, and a language model (or a control without one) chooses among them.

candidates.py      the candidates: a function of (space, seed, trajectory), equal for all selectors of the same settings
agent.py           a language model chooses (`select_tcs`, `select_scores`, `select_blind`)
question.py        the question, its JSON schema, and what a reply says: a number, and the log-probabilities of all numbers
select_random.py   the control that chooses at random
select_first.py    the control that takes the first one
"""
