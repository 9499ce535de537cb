"""The contract suite of tuning methods. A test inherits it, and says how its method is built."""

from __future__ import annotations

import json
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

import numpy as np
import pytest

from harness.errors import Exhausted
from harness.optimizer import DefaultFirst, Optimizer
from harness.space import Space
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

_TINY: dict[str, object] = {"type": "float", "low": 1e-8, "high": 1e-7, "scale": "log", "default": 5e-8, "meaning": "a"}
NASTY = Space.from_mapping(
    {
        "learning_rate": {"type": "float", "low": 1e-6, "high": 1.0, "scale": "log", "default": 1e-3, "meaning": "step size"},
        "momentum": {"type": "float", "low": -0.5, "high": 0.99, "default": 0.9, "meaning": "momentum"},
        "units": {"type": "int", "low": 1, "high": 4096, "scale": "log", "default": 64, "meaning": "width"},
        "layers": {"type": "int", "low": -1, "high": 3, "default": 2, "meaning": "depth"},
        "batch_size": {"type": "ordinal", "levels": [16, 32, 64.5, "full"], "default": 32, "meaning": "batch"},
        "nesterov": {"type": "bool", "default": True, "meaning": "look ahead"},
        "mode": {"type": "categorical", "choices": ["1", 1, True, 0.5, "none"], "default": True, "meaning": "a mixed bag"},
        "warmup": _TINY | {"when": {"nesterov": True}},
        "kind": {
            "type": "categorical",
            "choices": ["cosine", "step"],
            "default": "step",
            "meaning": "b",
            "when": {"mode": ["1", True]},
        },
        "steps": {"type": "int", "low": 2, "high": 3, "default": 2, "meaning": "c", "when": {"kind": "step", "nesterov": True}},
    }
)
Scorer = Callable[[int, Proposal], float | None]


def a_trial(number: int, proposal: Proposal, score: float | None) -> Trial:
    """Return a trial of one epoch with this validation score, or a diverged one for None."""
    if score is None:
        return Trial(number, proposal, Outcome.failed(Status.DIVERGED, "val_loss is nan", (), 0.0))
    return Trial(number, proposal, Outcome.of_curve((Epoch(val_score_pct=score, number=1),), 0.0))


def run(optimizer: Optimizer, score: Scorer, trials: int, start: Trajectory | None = None) -> Trajectory:
    """Run the loop for up to `trials` trials, or until the method has nothing left to propose."""
    trajectory = start or Trajectory()
    for number in range(len(trajectory) + 1, trials + 1):
        try:
            proposal = optimizer.propose(trajectory)
        except Exhausted:
            break
        trajectory = trajectory.then(a_trial(number, proposal, score(number, proposal)))
    return trajectory


def bumpy(number: int, proposal: Proposal) -> float | None:
    """Let the trials 2, 6, 10, ... fail; score the others by their distance from a point of the unit cube."""
    if number % 4 == 2:
        return None
    return 100 - 100 * sum((u - 0.3) ** 2 for u in NASTY.to_unit(proposal.config))


def given(sources: Iterable[str], score: float = 50.0) -> Trajectory:
    """Return a trajectory of random configurations of the space NASTY, with these sources."""
    trajectory = Trajectory()
    for number, source in enumerate(sources, start=1):
        proposal = Proposal(NASTY.sample(random.Random(number)), source=source)
        trajectory = trajectory.then(a_trial(number, proposal, score + number))
    return trajectory


def configs(trajectory: Trajectory) -> list[str]:
    """Return the configurations as JSON texts, in which 1, 1.0, "1" and true are different."""
    return [json.dumps(trial.config) for trial in trajectory]


def ask(optimizer: Optimizer, trajectory: Trajectory) -> str:
    """Return the next configuration as JSON text, or `"exhausted"`."""
    try:
        return json.dumps(optimizer.propose(trajectory).config)
    except Exhausted:
        return "exhausted"


def global_state() -> list[object]:
    """Return the state of the process that a method must not change."""
    kind, keys, position, *rest = np.random.get_state()
    state: list[object] = [random.getstate(), kind, np.asarray(keys).tolist(), position, rest]
    state += [list(warnings.filters), logging.getLogger("optuna").level]
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        state += [torch.random.get_rng_state().tolist(), torch.get_num_threads(), torch.get_default_dtype()]
    return state


class Listener(logging.Handler):
    """Keeps the logged messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one message."""
        self.messages.append(record.getMessage())


class OptimizerContract:
    """A subclass implements `build`."""

    seeded = True  # whether another seed gives other proposals
    trials: ClassVar[int] = 12  # of the run that the tests look at; fewer for a slow method
    replayed: ClassVar[Sequence[int]] = range(
        12
    )  # the numbers of trials after which a new object is compared; fewer for a slow method

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        """Return a new object of the method."""
        raise NotImplementedError

    @classmethod
    def make(cls, seed: int = 0, *, default_first: bool = False) -> Optimizer:
        """Build the method on the space NASTY."""
        optimizer = cls.build(NASTY, seed)
        return DefaultFirst(optimizer, NASTY) if default_first else optimizer

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls) -> Trajectory:
        """A run in which every fourth trial fails."""
        return run(cls.make(), bumpy, cls.trials)

    @pytest.fixture(scope="class")
    @classmethod
    def whole_from_default(cls) -> Trajectory:
        """The same, with the default configuration first."""
        return run(cls.make(default_first=True), bumpy, cls.trials)

    def test_every_proposal_is_a_member_of_the_space_in_exact_types(self, whole: Trajectory) -> None:
        assert len(whole) >= 1
        for trial in whole:
            assert json.dumps(NASTY.check(trial.config)) == json.dumps(trial.config)
            assert {type(value) for value in trial.config.values()} <= {float, int, str, bool}
            assert json.loads(json.dumps(trial.config)) == trial.config

    def test_every_proposal_is_the_methods_own(self, whole: Trajectory) -> None:
        assert {trial.proposal.source for trial in whole} <= {"optimizer", "default"}

    def test_the_same_seed_proposes_the_same(self, whole: Trajectory) -> None:
        assert configs(run(self.make(), bumpy, 6)) == configs(whole)[:6]

    def test_another_seed_proposes_something_else(self) -> None:
        firsts = {ask(self.make(seed), Trajectory()) for seed in range(5)}
        assert len(firsts) == (5 if self.seeded else 1)

    def test_a_new_object_shown_the_same_trials_proposes_the_same(self, whole: Trajectory) -> None:
        for length in self.replayed:
            if length < len(whole):
                assert ask(self.make(), Trajectory(whole.trials[:length])) == configs(whole)[length]

    def test_a_new_object_replays_a_run_that_began_with_the_default(self, whole_from_default: Trajectory) -> None:
        expected = [*configs(whole_from_default), "exhausted"]
        assert json.loads(expected[0]) == NASTY.default()
        for length in self.replayed:
            if length < len(expected) - (len(expected) > self.trials):
                assert ask(self.make(default_first=True), Trajectory(whole_from_default.trials[:length])) == expected[length]

    def test_asking_twice_gets_the_same_answer_even_after_the_first_was_changed(self, whole: Trajectory) -> None:
        optimizer = self.make()
        for length in (0, 4):
            if length < len(whole):
                shown = Trajectory(whole.trials[:length])
                answer = optimizer.propose(shown)
                text = json.dumps(answer.config)
                answer.config.clear()
                assert ask(optimizer, shown) == text

    def test_an_object_can_be_shown_an_earlier_or_another_trajectory(self, whole: Trajectory) -> None:
        optimizer = self.make()
        elsewhere = given(["optimizer"] * 4)
        better = Trajectory(tuple(a_trial(t.number, t.proposal, 10.0 * t.number % 7) for t in elsewhere))
        turned = Trajectory(tuple(a_trial(t.number, elsewhere[-t.number].proposal, t.score) for t in better))
        for shown in (Trajectory(whole.trials[:5]), Trajectory(whole.trials[:2]), elsewhere, better, turned):
            assert ask(optimizer, shown) == ask(self.make(), shown)

    def test_an_object_whose_proposal_was_not_taken_goes_on_as_a_new_one_would(self) -> None:
        optimizer = self.make()
        shown = given(["default", "llm", "optimizer", "fallback"])
        for length in range(4):
            ask(optimizer, Trajectory(shown.trials[:length]))
        assert ask(optimizer, shown) == ask(self.make(), shown)

    @pytest.mark.parametrize(
        "score",
        [
            pytest.param(lambda number, proposal: None, id="all failed"),
            pytest.param(lambda number, proposal: 50.0, id="constant"),
            pytest.param(lambda number, proposal: (1e-12, -1e300, 99.0, -1e5, 0.0, 1e-300)[number % 6], id="wild"),
        ],
    )
    def test_it_survives(self, score: Scorer) -> None:
        for trial in run(self.make(), score, 7):
            NASTY.check(trial.config)

    def test_it_goes_on_from_trials_of_any_source(self) -> None:
        shown = given(["default", "llm", "llm-retry-1", "fallback", "optimizer"])
        whole = run(self.make(), bumpy, 7, shown)
        for trial in whole:
            NASTY.check(trial.config)

    def test_it_goes_on_from_given_trials_and_a_new_object_shown_them_proposes_the_same(self) -> None:
        shown = given(["given"] * 4)
        whole = run(self.make(), bumpy, 6, shown)
        for trial in whole:
            NASTY.check(trial.config)
        for length in range(4, len(whole)):
            assert ask(self.make(), Trajectory(whole.trials[:length])) == configs(whole)[length]

    def test_it_leaves_global_state_alone_and_is_silent(self, capfd: pytest.CaptureFixture[str]) -> None:
        ask(self.make(1), given(["optimizer"] * 4))  # its imports may change the state
        logger, heard = logging.getLogger("optuna"), Listener()
        logger.setLevel(logging.INFO)  # Optuna's own level; Optuna logs to its own stream, so a handler collects its messages
        logger.addHandler(heard)
        before = global_state()
        run(self.make(), bumpy, 8)
        assert global_state() == before
        logger.removeHandler(heard)
        assert heard.messages == []
        assert capfd.readouterr() == ("", "")


class ModelContract(OptimizerContract):
    """For a method that starts at random and then learns: its proposals depend on scores from trial `startup + 1` on, and not before."""

    startup = 3

    def proposals_after(self, length: int, sources: Iterable[str], *, scores: int = 3) -> set[str]:
        """Return the distinct proposals after the same configurations with different scores."""
        base = given(sources)
        found = set()
        for variant in range(scores):
            rng = random.Random(variant)
            trials = tuple(a_trial(t.number, t.proposal, rng.uniform(0, 100)) for t in base.trials[:length])
            found.add(ask(self.make(), Trajectory(trials)))
        return found

    def test_start_up_trials_do_not_depend_on_scores(self) -> None:
        for length in range(self.startup):
            assert len(self.proposals_after(length, ["optimizer"] * self.startup)) == 1

    def test_the_trial_after_start_up_depends_on_scores(self) -> None:
        assert len(self.proposals_after(self.startup, ["optimizer"] * self.startup)) > 1

    def test_the_default_and_failures_count_as_start_up_trials(self) -> None:
        sources = ["default"] + ["optimizer"] * (self.startup - 1)
        assert len(self.proposals_after(self.startup - 1, sources)) == 1
        assert len(self.proposals_after(self.startup, sources)) > 1
        failed = [a_trial(t.number, t.proposal, None if t.number == 1 else t.score) for t in given(sources)]
        other = [a_trial(t.number, t.proposal, 1.0 if t.number == self.startup else t.score) for t in failed]
        assert ask(self.make(), Trajectory(tuple(failed))) != ask(self.make(), Trajectory(tuple(other)))
