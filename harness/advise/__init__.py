"""The command that says which method to use on a task of the user's own: `__main__.py`.

    request.py      the command line                       candidates.py   composes a method each
    racing.py       runs seed after seed, drops methods    time_limit.py   ends it at seconds=...

The rule is in `report/analysis/race.py`, what is concluded in `report/analysis/advice.py`, and the words in
`report/sections/leading/advice.py`.
"""
