"""The analysis agent: a tuning method made of a context (what the model is shown) and a backend (the model).

context.py   tcs | raw | scores | blind | shuffled: the trajectory as text
prompt.py    the versioned templates in prompts/, and their hash
schema.py    the JSON schema of a reply, generated from the space
reply.py     from any text to a configuration, or to the exact complaint that is sent back
names.py     real or anonymous names of hyperparameters
agent.py     the optimizer: ask, check, ask again, and say where each configuration came from
"""
