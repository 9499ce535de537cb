"""The system that the paper's authors released, rebuilt from facts about it: two agents, a summary, and what is done to their answers.

Source of every threshold, order and fault here: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. None of
its code and none of its sentences are used. See README.md for what differs on purpose.

switches.py    the settings `published.*`: which side of a fault is run
dimension.py   a hyperparameter as that system sees it, made from a space
metric.py      the metric's name, direction and target
history.py     trainings with their metrics, made from a trajectory
pattern.py     trend, level, gap and overfitting after the last training
summary.py     the five sections that the Analyzer reads: first as facts, then as text
parsing.py     find a value for each name in a reply
repair.py      make every value a legal one, and say what was done to it
rules.py       the hidden rules that change a configuration after the reply
front.py       cut a prompt from the front
prompt.py      the sentences for both agents, in `prompts/`
answer.py      from a reply to a configuration, with what became of each value
agent.py       the optimizer
"""
