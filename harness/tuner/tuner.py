"""Ask and tell: a method proposes, and its user trains."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.console import say_once
from harness.errors import CellMismatch, Exhausted, RecordError, SettingsError
from harness.store import codec
from harness.store.cell_folder import differing
from harness.trial import GIVEN, Objective, Proposal, Trajectory, Trial, incumbent
from harness.tuner.method import Asked, Method
from harness.tuner.record import ASKED, BUDGET, TRIAL, TUNER, Record, path_of
from harness.tuner.spaces import user_space
from harness.tuner.told import outcome_of_told
from harness.tuner.user_space import UserConfig
from harness.tuner.wanted import Wanted, metric_of, plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Best:
    """The best trial so far: its configuration, its score in the metric's own unit, and its number (from 1)."""

    config: UserConfig
    score: float
    number: int


class Tuner:
    """Proposes configurations of a space, one at a time, and learns from what is told.

    `space` is a dict as in a task's YAML, a ConfigSpace, a dict of Optuna distributions or a harness.Space. `method` and `llm` are names in
    conf/optimizer and conf/llm, `settings` further keys of the command line for them (`{"agent.names": "anonymous"}`). `budget` is the
    number of proposals, which the method plans with.

    `metric` says what scores are: None for percentages, higher is better; else `{"name": "rmse", "unit": "kWh", "margin": 0.5}`, where the
    margin is the difference that matters, with `direction="minimize"` where lower is better. `card` tells an LLM what is tuned (title,
    domain, data, model, metric, epochs, each one line). `name` tells problems apart: the same seed draws otherwise on another name.

    `file` keeps all of it: a tuner of the same arguments goes on from there, and so does `Tuner.resume(file)`. A proposal, and each reply
    of an LLM, is on the disk before it is used, so that none is paid for twice. One process at a time uses a file.

    Raises SettingsError for arguments that make no sense, RecordError for a file that cannot be read, and CellMismatch for a file that was
    begun with other arguments.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and a user writes few of them
        self,
        space: object,
        method: str = "rules",
        *,
        llm: str | None = None,
        seed: int = 0,
        budget: int = 10,
        metric: Mapping[str, Any] | None = None,
        direction: str | None = None,
        card: Mapping[str, Any] | None = None,
        name: str = "tuning",
        settings: Mapping[str, Any] | None = None,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        wanted = Wanted(
            user_space(space),
            method,
            llm,
            seed,
            metric_of(metric, direction),
            plain(card, "card"),
            name,
            plain(settings, "settings"),
        )
        self._open(wanted, Record(path_of(file)), budget)

    @classmethod
    def resume(cls, file: str | os.PathLike[str], *, budget: int | None = None) -> Tuner:
        """Return the tuner of a file, as it was. `budget` gives it another one. Raises RecordError and CellMismatch."""
        record = Record(path_of(file))
        if not record.rows:
            raise RecordError(f"{file}: holds no tuner; Tuner(space, ..., file={str(file)!r}) begins one")
        try:
            wanted = Wanted.from_mapping(record.rows[0]["asked_for"])
        except (KeyError, TypeError, AttributeError) as error:
            raise RecordError(f"{file}, line 1: damaged ({type(error).__name__}: {error})") from error
        tuner = cls.__new__(cls)
        tuner._open(wanted, record, budget)
        return tuner

    def _open(self, wanted: Wanted, record: Record, budget: int | None) -> None:
        self._wanted = wanted
        self._record = record
        self._method: Method | None = None
        self._planned = 0
        self._pending: Asked | None = None
        self._since = time.perf_counter()
        self.trials: tuple[Trial, ...] = ()
        """The trials so far, those that were given too, with their scores in the metric's own unit."""
        if record.rows:
            self._restore(record, budget)
        else:
            self.budget = 10 if budget is None else budget
            identity = wanted.identity(self.budget)
            self._ready()
            record.append(TUNER, {"budget": self.budget, "identity": identity, "asked_for": wanted.to_mapping()})
        self.objective: Objective = wanted.task().objective
        """What scores are: name, direction, unit and margin of the metric."""

    def _restore(self, record: Record, budget: int | None) -> None:
        begun = record.rows[0]
        identity = json.loads(codec.json_text(self._wanted.identity(begun["budget"])))  # tuples are lists in the file
        if differences := list(differing(begun["identity"], identity)):
            raise CellMismatch(
                f"{record.path}: was begun with other arguments ({'; '.join(differences[:3])}); give it another file="
            )
        self.budget = begun["budget"]
        for number, row in enumerate(record.rows, start=1):
            try:
                self._read(row)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise RecordError(f"{record.path}, line {number}: damaged ({type(error).__name__}: {error})") from error
        if budget is not None and budget != self.budget:
            self._wanted.cell(budget)  # refuses one that makes no sense
            record.append(BUDGET, {"budget": budget})
            self.budget = budget

    def _read(self, row: Mapping[str, Any]) -> None:
        if row["kind"] == BUDGET:
            self.budget = int(row["budget"])
        elif row["kind"] == ASKED:
            self._pending = Asked(Proposal(dict(row["config"]), row["source"], row.get("note", {})), float(row["propose_seconds"]))
        elif row["kind"] == TRIAL:
            trial = codec.from_row(row)
            self.trials = (*self.trials, trial)
            if not trial.given:
                self._pending = None

    @property
    def trajectory(self) -> Trajectory:
        """The trials as the method sees them: without test scores, in points, of which higher is better."""
        return Trajectory.of(self.trials, self.objective)

    @property
    def pending(self) -> Proposal | None:
        """The proposal that waits to be told: its configuration, its source (optimizer, default, llm, fallback, ...) and note."""
        return None if self._pending is None else self._pending.proposal

    @property
    def left(self) -> int:
        """How many proposals of the budget are left, the one that waits included."""
        return max(0, self.budget - sum(not trial.given for trial in self.trials))

    @property
    def best(self) -> Best | None:
        """The best configuration so far, with its score and the number of its trial; None while no trial has a score."""
        found = incumbent(self.trials, self.objective)
        if found is None or found.score is None:
            return None
        return Best(self._wanted.space.to_user(found.config), found.score, found.number)

    def ask(self) -> UserConfig:
        """Return the configuration to train next. Until it is told, the same one is returned.

        Raises Exhausted when the budget is spent, or when the method has nothing left to propose. Raises HarnessError when an LLM does not
        answer; the next `ask` tries again.
        """
        if self._pending is None:
            if self.left == 0:
                again = "a larger budget=" if self._record.path is None else f"Tuner.resume({str(self._record.path)!r}, budget=...)"
                raise Exhausted(f"the budget of {self.budget} trials is spent: tuner.best has the result, and {again} goes on")
            self._pending = self._asked()
            self._since = time.perf_counter()
        return self._wanted.space.to_user(self._pending.config)

    def tell(
        self,
        config: Mapping[str, Any],
        result: object = None,
        *,
        failure: object = None,
        given: bool = False,
        seconds: float | None = None,
    ) -> None:
        """Say what a training gave.

        `result` is a score, a list of scores or Epochs (the curve, of which the best counts), or how the training failed: an exception, a
        harness.Status or a reason. NaN is a training that diverged. `failure` says how one failed whose curve is `result`.

        A configuration that was not asked for is refused, or with `given=True` taken as a trial that counts for the method and not for the
        budget. `seconds` is how long the training took; without it, the time since it was asked for.

        Raises InvalidConfig for a configuration that is not in the space, and SettingsError for what else makes no sense. Nothing is
        lost then: the proposal still waits.
        """
        if not isinstance(config, Mapping):
            raise SettingsError(f"tell: first the configuration, a dict, and then its result; not {config!r}")
        if seconds is not None and not (isinstance(seconds, int | float) and 0 <= seconds < math.inf):
            raise SettingsError(f"tell: seconds={seconds!r}: give a number, 0 or more")
        checked = self._wanted.space.space.check(self._wanted.space.to_harness(config))
        asked = self._pending if self._pending and repr(self._pending.config) == repr(checked) else None
        if asked is None and not given:
            raise SettingsError(f"tell: this configuration was not asked for{self._what_waits()}; given=True takes it all the same")
        passed = time.perf_counter() - self._since if asked else 0.0
        outcome = outcome_of_told(
            () if result is None and failure is not None else result,
            self.objective,
            failure=failure,
            seconds=passed if seconds is None else float(seconds),
        )
        proposal, took = (asked.proposal, asked.seconds) if asked else (Proposal(checked, GIVEN), 0.0)
        trial = Trial(len(self.trials) + 1, proposal, outcome, took)
        self._record.append(TRIAL, codec.to_row(trial))
        self.trials = (*self.trials, trial)
        if asked:
            self._pending = None
        self._warn_of_shares()

    def frame(self) -> pd.DataFrame:
        """Return a row per trial: trial, source, status, score, best_epoch, error, seconds, and `config.NAME` for each hyperparameter."""
        import pandas as pd  # noqa: PLC0415 - takes 0.4 s

        return pd.DataFrame(list(self._frame_rows()))

    def __repr__(self) -> str:
        best = self.best
        found = f", best {self.objective.text(best.score)} in trial {best.number}" if best else ""
        return f"<Tuner {self._wanted.method}, seed {self._wanted.seed}: {self.budget - self.left} of {self.budget} trials{found}>"

    def _ready(self) -> Method:
        """Return the method. A given trial is one more than the budget, which the method plans with: then it is built anew."""
        total = self.budget + sum(trial.given for trial in self.trials)
        if self._method is None or self._planned != total:
            backend = self._method.backend if self._method else None
            self._method = Method.of(self._wanted.cell(total), self._wanted.space, self._record, backend)
            self._planned = total
        return self._method

    def _asked(self) -> Asked:
        try:
            asked = self._ready().propose(self.trajectory)
        except Exhausted as error:
            raise Exhausted("the method has nothing left to propose: what the space holds has been tried") from error
        made = asked.proposal
        row = {"source": made.source, "config": made.config, "propose_seconds": round(asked.seconds, 6), "note": dict(made.note)}
        self._record.append(ASKED, row)
        return asked

    def _what_waits(self) -> str:
        waits = self._pending
        return f" (the one that waits is {self._wanted.space.to_user(waits.config)})" if waits else " (none waits: call ask())"

    def _frame_rows(self) -> Iterator[dict[str, object]]:
        for trial in self.trials:
            outcome = trial.outcome
            config = {f"config.{name}": value for name, value in self._wanted.space.to_user(trial.config).items()}
            yield {
                "trial": trial.number,
                "source": trial.proposal.source,
                "status": str(outcome.status),
                "score": trial.score,
                "best_epoch": outcome.best_epoch,
                "error": outcome.error,
                "seconds": outcome.seconds,
                **config,
            }

    def _warn_of_shares(self) -> None:
        """Warn once when all of several percentages are at most 1: they may be shares."""
        scores = [trial.score for trial in self.trials if trial.score is not None]
        if self.objective.is_percentage and len(scores) > 1 and max(map(abs, scores)) <= 1.0:
            say_once(
                "Tuner: its scores are percentages, and none is above 1: if they are shares, multiply them by 100, or say what they are "
                "with metric="
            )
