"""Methods that an LLM and another method make together."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest

from harness.errors import SettingsError
from harness.llm.asking import Asking
from harness.llm.backend import ModelFacts, Reply, Request
from harness.llm.settings import LlmSettings
from harness.optimizer import DefaultFirst, Optimizer
from harness.optimizers.hybrid.llm_share import LlmShare
from harness.optimizers.hybrid.tcs_gp import TcsGP
from harness.optimizers.hybrid.turns import PROPOSER, count_of
from harness.seeding import keyed_random
from harness.space import Space
from harness.task import TaskCard
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, bumpy, run
from harness.testing.servers.schema import draw
from harness.trial import Trajectory

ASKING = Asking("tcs", LlmSettings(name="dice", _target_="x", model="dice"), blocks=("status", "parameters"))
CARD = TaskCard("a task", "tests", "some", "none", "score in percent", "1")


class Dice:
    """A backend that answers with a draw that fits the schema; the request decides it."""

    def complete(self, request: Request) -> Reply:
        assert request.schema is not None
        return Reply(json.dumps(draw(request.schema, keyed_random(0, request.key))), ModelFacts("dice", "dice"))


class FromAnLlm(OptimizerContract):
    sources: ClassVar[set[str]] = {"llm", "llm-retry-1", "llm-retry-2", "fallback", "optimizer", "default"}
    trials = 6
    replayed = (0, 1, 5)

    def test_every_proposal_is_the_methods_own(self, whole: Trajectory) -> None:
        assert {trial.proposal.source for trial in whole} <= self.sources


class TestTcsGP(FromAnLlm):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return TcsGP(space, seed, asking=ASKING, card=CARD, budget=10, backend=Dice(), startup_length=5)


class TestLlmShare(FromAnLlm):
    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return shared(space, seed, 0.5, "tpe")


def shared(space: Space, seed: int, share: float, optimizer: str) -> LlmShare:
    return LlmShare(space, seed, asking=ASKING, card=CARD, budget=10, backend=Dice(), share=share, optimizer=optimizer)


def by(trajectory: Trajectory) -> list[str]:
    """Return who proposed each trial: by the note, which must agree with the source."""
    names = [str(trial.proposal.note.get(PROPOSER, "default")) for trial in trajectory]
    for name, trial in zip(names, trajectory, strict=True):
        assert (name == "llm") == (trial.proposal.source not in ("optimizer", "default"))
    return names


def test_the_llm_and_tpe_take_turns_after_the_default_and_the_llm_is_first() -> None:
    whole = run(DefaultFirst(shared(NASTY, 0, 0.5, "tpe"), NASTY), bumpy, 7)
    assert by(whole) == ["default", "llm", "tpe", "llm", "tpe", "llm", "tpe"]


@pytest.mark.parametrize(("share", "turns"), [(1.0, "LLLLLL"), (1 / 3, "L..L.."), (0.75, "LLL.LL")])
def test_a_share_is_spread_evenly(share: float, turns: str) -> None:
    whole = run(shared(NASTY, 0, share, "random"), bumpy, 6)
    assert "".join("L" if name == "llm" else "." for name in by(whole)) == turns


def test_the_gp_takes_over_after_the_llms_trials() -> None:
    whole = run(
        DefaultFirst(TcsGP(NASTY, 0, asking=ASKING, card=CARD, budget=10, backend=Dice(), startup_length=3), NASTY), bumpy, 6
    )
    assert by(whole) == ["default", "llm", "llm", "llm", "optuna_gp", "optuna_gp"]


@pytest.mark.parametrize("start", ["none", "default"])
def test_the_number_of_calls_is_told_before_the_start(start: str) -> None:
    trials = 10 - (start == "default")
    assert TcsGP.number_of_calls(ASKING, 10, start=start, options={"startup_length": 3}) == 3
    assert LlmShare.number_of_calls(ASKING, 10, start=start, options={"share": 0.5}) == 5
    assert LlmShare.number_of_calls(ASKING, 10, start=start, options={"share": 1 / 3}) == count_of(1 / 3, trials)


@pytest.mark.parametrize(
    ("share", "optimizer", "words"), [(0.0, "tpe", "share=0.0: give a share"), (0.5, "tpee", "unknown 'tpee'; did you mean 'tpe'")]
)
def test_what_it_cannot_do_is_said_in_one_line(share: float, optimizer: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        shared(NASTY, 0, share, optimizer)
