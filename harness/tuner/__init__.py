"""Tune what you train yourself: `Tuner` is asked for a configuration and told the result; `ExpertBlockSampler` does so for Optuna.

    from harness import Tuner
    tuner = Tuner({"lr": {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log"}}, method="rules", budget=10)
    for _ in range(10):
        config = tuner.ask()
        tuner.tell(config, train(**config))     # a score, a curve, or how it failed
    print(tuner.best)

    tuner.py            ask, tell, best; goes on from a file
    sampler.py          the sampler for `optuna.create_study(sampler=...)`
    study_trials.py     the trials of an Optuna study as a trajectory
    wanted.py           what was asked for, and the cell that it stands for
    method.py           the method of a cell, on a trajectory
    record.py           the lines of the file
    told.py             from what is told to an outcome
    spaces.py           spaces in the forms in which users have them: `optuna_space.py`, `configspace.py`, `user_space.py`

Methods, LLMs and their settings are those of conf/, by name. Nothing else of a study is needed: no folder, no task, no command line.
"""
