"""The analysis agent: a tuning method made of a context (the text about the trials) and a backend (the model).

context.py        the trajectory as text, in one of five forms: tcs | raw | scores | blind | shuffled
prompt.py         the versioned templates in `prompts/`, and their hash
reply_schema.py   the JSON schema of a reply, generated from the space
reply.py          parse a reply into a configuration, or into the message that goes back to the model
table_form.py     the other form of a reply: the next line of a table of trials
exchange.py       the calls of one trial: numbered, seeded, sent, and kept for the note
names.py          real or anonymous names of hyperparameters
agent.py          the optimizer: ask, check, ask again, and record the source of each configuration
"""
