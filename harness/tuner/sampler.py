"""A sampler for Optuna: the rules that read the expert blocks, or any other method of conf/optimizer, with an LLM or without.

    study = optuna.create_study(sampler=ExpertBlockSampler(budget=30), direction="maximize")
    study.optimize(objective, n_trials=30)

It keeps no state of the study: each proposal is made from the trials that the storage has (`study_trials.py`). So a study goes on in
another process as it would have in this one.
"""

from __future__ import annotations

import os
import secrets
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import intersection_search_space
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from harness.cell import Cell
from harness.errors import Exhausted, SettingsError
from harness.seeding import keyed_random, keyed_seed
from harness.trial import Direction, Objective, Proposal, Trajectory
from harness.tuner.method import Method
from harness.tuner.optuna_space import from_distributions, is_usable, to_distributions
from harness.tuner.record import SAMPLER, Record, path_of
from harness.tuner.spaces import user_space
from harness.tuner.study_trials import assumed_objective, trajectory_of
from harness.tuner.user_space import UserSpace
from harness.tuner.wanted import Wanted, metric_of, plain

# The key of a trial's system attributes under which it says who proposed it.
PROPOSAL = "harness:proposal"
# Threads of one study ask in turn: composing settings changes the state of the process.
_TURN = threading.Lock()


class ExpertBlockSampler(BaseSampler):
    """Propose all parameters of a trial together, by a method of conf/optimizer.

    `method`, `llm`, `settings` and `card` are as in `harness.Tuner`. `budget` is the number of trials that you will ask for: the method
    explores first, and exploits towards the end. Each trial beyond it counts as the last one.

    `space` describes the parameters and their conditions (`when`), in any form that `Tuner` takes; then the first trial is a proposal
    already. It must agree with what the objective suggests (for an ordinal, `suggest_categorical`). Without it, the space is what all
    finished trials have in common, as for Optuna's GP and CMA-ES. So the first trial is drawn at random, and so are the parameters of a
    branch that not every trial takes. What the space does not hold is drawn by `independent_sampler` (by default, at random).

    `metric` says what the objective returns: `{"name": "rmse", "unit": "kWh", "margin": 0.5}`; the study says the direction. Without it,
    the difference that matters is assumed to be a twentieth of the distance from the median value to the best one; it changes with them.

    Trials that run have no result that could be shown. While there are some, the seed of a proposal depends on the trial's number, so that
    workers do not propose the same; an LLM at temperature 0 still may. When everything has been tried, a configuration is drawn at random.
    `file` keeps the calls to an LLM, so that a repeated study does not pay for them again; one process uses it.

    One objective only: several raise ValueError. Raises SettingsError for arguments that make no sense.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and a user writes few of them
        self,
        method: str = "rules",
        *,
        llm: str | None = None,
        seed: int | None = None,
        budget: int = 10,
        space: object = None,
        metric: Mapping[str, Any] | None = None,
        card: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        independent_sampler: BaseSampler | None = None,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._arguments: dict[str, Any] = {
            "method": method,
            "llm": llm,
            "card": plain(card, "card"),
            "settings": plain(settings, "settings"),
            "name": "optuna",
        }
        self._seed = secrets.randbits(32) if seed is None else seed
        self._budget = budget
        self._space = None if space is None else user_space(space)
        self._metric = None if metric is None else dict(metric)
        self._independent = independent_sampler or RandomSampler(seed=self._seed % 2**31)
        self._record = Record(path_of(file), first=SAMPLER)
        self._built: tuple[object, Method] | None = None
        self._cells: dict[int, Cell] = {}
        if self._metric and "direction" in self._metric:
            raise SettingsError("metric: the study says the direction; leave it out")
        if not self._record.rows:
            self._record.append(SAMPLER, {"asked_for": self._arguments})

    def infer_relative_search_space(
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002 - Optuna's contract
    ) -> dict[str, BaseDistribution]:
        self._raise_error_if_multi_objective(study)
        if self._space is not None:
            return to_distributions(self._space)
        common = intersection_search_space(_trials(study), include_pruned=True)
        return {name: distribution for name, distribution in common.items() if is_usable(name, distribution)}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        space = self._space or from_distributions(search_space)
        with _TURN:
            proposal = self._proposal(study, trial, space)
        return {name: value for name, value in space.to_user(proposal.config).items() if name in search_space}

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        self._raise_error_if_multi_objective(study)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._independent.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._independent.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        # The method's own draws depend on the trial's number, not on a generator that workers would share.
        self._independent.reseed_rng()

    def _proposal(self, study: Study, trial: FrozenTrial, space: UserSpace) -> Proposal:
        trials = [other for other in _trials(study) if other.number != trial.number]
        running = [other.number for other in trials if other.state is TrialState.RUNNING]
        seed = keyed_seed(self._seed, "beside running trials", trial.number) if running else self._seed
        trajectory = trajectory_of(trials, space, self._objective(trials, space, Direction(study.direction.name.lower())))
        if self._space is not None:
            _warn_of_another_space(trials, trajectory, space)
        try:
            asked = self._method(space, seed, max(self._budget, len(trajectory) + 1)).propose(trajectory).proposal
        except Exhausted:
            asked = Proposal(space.on_grid(space.space.sample(keyed_random(seed, "all was tried", trial.number))))
        shown = {"method": self._arguments["method"], "source": asked.source, "trials_shown": len(trajectory), "running": running}
        # There is no public way for a sampler to write something beside a trial; Optuna's own samplers use this one.
        study._storage.set_trial_system_attr(trial._trial_id, PROPOSAL, shown)
        return asked

    def _objective(self, trials: Sequence[FrozenTrial], space: UserSpace, direction: Direction) -> Objective:
        if self._metric is None:
            return assumed_objective(trials, direction)
        return self._wanted(space, self._seed, metric_of(self._metric, str(direction))).task().objective

    def _wanted(self, space: UserSpace, seed: int, metric: Mapping[str, Any]) -> Wanted:
        return Wanted(space=space, seed=seed, metric=metric, **self._arguments)

    def _method(self, space: UserSpace, seed: int, budget: int) -> Method:
        """Return the method of these arguments: the last one again, where they are the same. A model in the process is loaded once."""
        key = (space, seed, budget)
        if self._built is None or self._built[0] != key:
            # The method takes the direction from the trajectory.
            name = (
                {"name": self._metric["name"], "direction": str(Direction.MAXIMIZE)}
                if self._metric and "name" in self._metric
                else {}
            )
            wanted = self._wanted(space, seed, name)
            if budget not in self._cells:
                self._cells = {budget: wanted.cell(budget)}
            cell = replace(self._cells[budget], seed=seed, task=wanted.task())
            self._built = (key, Method.of(cell, space, self._record, self._built[1].backend if self._built else None))
        return self._built[1]


def _warn_of_another_space(trials: Sequence[FrozenTrial], trajectory: Trajectory, space: UserSpace) -> None:
    """Warn where no finished trial lies in the space that was given: the method would propose the same for ever."""
    finished = [trial for trial in trials if trial.state.is_finished() and trial.params]
    if finished and not len(trajectory):
        names = [hp.name for hp in space.space]
        unknown = [name for name in finished[-1].params if name not in names]
        what = (
            f"the objective asks for {', '.join(map(repr, unknown))}, which it does not hold"
            if unknown
            else "names or ranges differ"
        )
        warnings.warn(
            f"none of {len(finished)} finished trials lies in space=, so that the method learns nothing: {what}. The space has: "
            f"{', '.join(names)}",
            stacklevel=2,
        )


def _trials(study: Study) -> list[FrozenTrial]:
    """Return all trials of a study.

    Hyperband shows a sampler those of one bracket only; a method that sees nothing else would begin each bracket with the same proposals.
    """
    whole: Study = getattr(study, "_study", study)
    return whole.get_trials(deepcopy=False)
