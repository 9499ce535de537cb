"""The contract suite of methods that ask an LLM. A test inherits it, and names its method."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from harness.llm.asking import Asking
from harness.llm.backend import ModelFacts, Reply, Request
from harness.llm.settings import LlmSettings
from harness.optimizer import Optimizer
from harness.space import Space
from harness.task import TaskCard
from harness.testing.contracts.optimizer import NASTY, OptimizerContract, a_trial, bumpy, run
from harness.testing.servers.replies import answer
from harness.trial import Proposal, Trajectory

CARD = TaskCard("a title", "a domain", "some data", "a model", "accuracy", "epochs")


class Answers:
    """Answers as the doubles of servers do, without a server: a text that fits the schema, drawn by the request alone."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def complete(self, request: Request) -> Reply:
        """Return the reply to a request, and keep the request."""
        self.requests.append(request)
        messages = request.wire_messages(request.reply_format)
        text = answer(request.schema, random.Random(request.key), messages)
        return Reply(text, ModelFacts("answers", "m", server="double"))


class LlmMethodContract(OptimizerContract):
    """A subclass sets `method` and `context`, and what its YAML has of `options` and `startup_trials`."""

    method: ClassVar[Any]  # the class, a LlmOptimizer
    context: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    startup_trials: ClassVar[int] = 3
    trials = 7
    replayed: ClassVar[Sequence[int]] = (0, 2, 4, 6)

    @classmethod
    def asking(cls) -> Asking:
        """Return the settings of the method's LLM."""
        return Asking(cls.context, LlmSettings(name="answers", model="m"))

    @classmethod
    def asked(cls, backend: Answers, space: Space, seed: int) -> Any:
        """Return the method with this backend."""
        told: dict[str, Any] = {"asking": cls.asking(), "card": CARD, "budget": 10, "backend": backend}
        return cls.method(space, seed, **told, startup_trials=cls.startup_trials, **cls.options)

    @classmethod
    def build(cls, space: Space, seed: int) -> Optimizer:
        """Return a new object of the method, with a backend of its own."""
        made: Optimizer = cls.asked(Answers(), space, seed)
        return made

    def test_every_proposal_is_the_methods_own(self, whole: Trajectory) -> None:
        sources = [trial.proposal.source for trial in whole]
        assert sources[: self.startup_trials] == ["optimizer"] * self.startup_trials
        assert {trial.proposal.source.partition("-")[0] for trial in whole.trials[self.startup_trials :]} == {"llm"}

    def test_it_makes_the_calls_that_the_forecast_says(self) -> None:
        backend, trials = Answers(), self.startup_trials + 3
        run(self.asked(backend, NASTY, 1), lambda number, _: float(number), trials)
        options = {**self.options, "startup_trials": self.startup_trials}
        assert len(backend.requests) == self.method.number_of_calls(self.asking(), trials, options=options)

    def test_the_note_has_the_number_and_the_role_of_each_call(self) -> None:
        backend = Answers()
        shown = run(self.make(), bumpy, self.startup_trials + 1)
        proposal = self.asked(backend, NASTY, 0).propose(shown)
        replies = proposal.note["replies"]
        assert isinstance(replies, list)
        assert [reply["call"] for reply in replies] == [request.call for request in backend.requests]
        assert all(reply["role"] for reply in replies)
        assert {request.trial for request in backend.requests} == {len(shown) + 1}

    def test_a_start_up_trial_asks_nothing(self) -> None:
        backend = Answers()
        for length in range(self.startup_trials):
            shown = Trajectory(tuple(a_trial(n, Proposal(NASTY.default()), 1.0) for n in range(1, length + 1)))
            assert self.asked(backend, NASTY, 0).propose(shown).source == "optimizer"
        assert not backend.requests
