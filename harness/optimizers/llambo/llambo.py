"""LLAMBO as a method: sample candidates for a target score, predict the score of each, take the largest expected improvement.

Source: arXiv 2402.03921 and its code (commit 196fe23), as described in facts. Kept: a target beyond the best score, pairs as examples in
permuted order, candidates filtered and asked for again in up to 4 rounds, mean and standard deviation over repeated predictions, expected
improvement, and the temperatures 0.8 and 0.7. Its full form makes 10 + 10 x 2 x 10 = 210 calls a trial (`llambo`); `llambo_reduced` makes
5 + 5 x 2 x 3 = 35. Changed, and why:

- Each completion is a call of its own: most backends here have no other way. `top_p` and the length of a reply are the server's and
  `llm.max_tokens`; a limit of 8 tokens would cut every reply off that thinks, or is JSON.
- Replies are JSON objects, held by a schema, so choices may be texts. The source reads every value as a float.
- The target is cut once at 100 % where scores are percentages. The source lowers alpha in a loop that may not end.
- With fewer than half of the candidates after all rounds, those that are left are used and the note says so; with none, a marked draw.
  The source takes unfiltered ones in silence, or raises. A single candidate is taken without predictions.
- A candidate without a usable prediction is not ranked. The source gives it the average of the others.
- Prompts show the task's card as the other arms do, and mark failed trials, of which the source has none.
- 3 uniform start-up trials as for the other methods here. The source's runs have 5 stored ones; its warm start by an LLM is not used there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from harness.errors import SettingsError
from harness.llm.asking import NO_OPTIONS, Asking, LlmOptimizer
from harness.llm.backend import Backend, Message
from harness.optimizers._startup import asked_trials, is_startup, startup_draw
from harness.optimizers._untried import untried
from harness.optimizers.agent.agent import check_asking
from harness.optimizers.agent.context import in_digits
from harness.optimizers.agent.exchange import Exchange
from harness.optimizers.agent.names import Names
from harness.optimizers.agent.reply import BadReply, Kind, parse_reply, refuse_aborted, refuse_repeat
from harness.optimizers.agent.reply_schema import reply_schema
from harness.optimizers.llambo.options import Options
from harness.optimizers.llambo.prompt import (
    DIGITS,
    PROMPT_HASH,
    permuted,
    sampler_question,
    score_schema,
    score_text,
    surrogate_question,
    target_points,
)
from harness.optimizers.llambo.surrogate import Candidate, chosen, read_prediction
from harness.space import Config, Space
from harness.space.levels import level_space
from harness.task import TaskCard
from harness.trial import Proposal, Trajectory, Trial

CONTEXT = "llambo"


class LLAMBO(LlmOptimizer):
    """Propose the candidate of the model that its own predictions favour.

    `options` are those of `Options`. `budget` is not shown. The source of a proposal is `llm` for a candidate of the sampler's first
    round, and `llm-retry-N` for one of a later round. Raises SettingsError.
    """

    versions: ClassVar[Mapping[str, int]] = {"llambo": 1}

    def __init__(  # noqa: PLR0913 - the contract of LlmOptimizer
        self,
        space: Space,
        seed: int,
        *,
        asking: Asking,
        card: TaskCard,
        budget: int,  # noqa: ARG002 - LLAMBO is told no budget
        backend: Backend,
        startup_trials: int = 0,
        **options: Any,
    ) -> None:
        _check(asking)
        self._space = space
        self._seed = seed
        self._asking = asking
        self._card = card
        self._backend = backend
        self._startup_trials = startup_trials
        self._options = Options.read({**options, "startup_trials": startup_trials})
        self._names = Names.of(space, asking.names)
        self._allowed = level_space(self._names.space) if asking.values == "levels" else self._names.space
        self._arm = [self.identity(asking, card), vars(self._options)]

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        """Return what decides the result. Raises SettingsError."""
        _check(asking)
        agent = {"context": CONTEXT, "names": asking.names, "values": asking.values, "prompt_hash": PROMPT_HASH}
        return {"agent": agent, "card": card.to_mapping(), "llm": asking.llm.identity()}

    @classmethod
    def check_options(cls, options: Mapping[str, object]) -> None:
        """Raise SettingsError for options that make no sense."""
        Options.read(options)

    @classmethod
    def number_of_calls(
        cls,
        asking: Asking,  # noqa: ARG003 - as the base class
        trials: int,
        *,
        start: str = "none",
        options: Mapping[str, object] = NO_OPTIONS,
    ) -> int:
        """Return the calls of a cell when every reply is usable and no candidate comes twice."""
        return asked_trials(trials, start, options) * Options.read({"startup_trials": 1, **options}).calls

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Ask the model for candidates and predictions. Raises BackendError when the model cannot be reached."""
        if is_startup(trajectory.trials, self._startup_trials):
            return startup_draw(self._space, self._seed, "llambo", trajectory)
        shown = self._names.trajectory(trajectory)
        exchange = Exchange(shown, self._seed, self._asking.llm, self._backend)
        orders = permuted(shown, self._options.templates, self._seed)
        target = target_points(shown, self._options.alpha)
        candidates = self._sample(exchange, orders, target)
        if len(candidates) > 1:
            for candidate in candidates:
                candidate.predictions.extend(self._predict(exchange, orders, candidate.config))
        return self._proposal(trajectory, exchange, candidates, target)

    def _proposal(self, trajectory: Trajectory, exchange: Exchange, candidates: list[Candidate], target: float) -> Proposal:
        """Choose among the candidates; the note says how each was ranked, and that there were few."""
        best = max(trial.score for trial in trajectory if trial.score is not None)
        note: dict[str, object] = {
            "target": score_text(target, trajectory.objective),
            "candidates": [candidate.to_mapping(best) for candidate in candidates],
            **({"few_candidates": len(candidates)} if len(candidates) < self._options.least else {}),
            **exchange.note(),
        }
        if not candidates:
            space = level_space(self._space) if self._asking.values == "levels" else self._space
            return Proposal(untried(space, trajectory, self._seed, self._arm), "fallback", note)
        taken = chosen(candidates, best)
        source = "llm" if taken.round == 1 else f"llm-retry-{taken.round - 1}"
        return Proposal(self._names.real_config(taken.config), source, note)

    def _sample(self, exchange: Exchange, orders: list[list[Trial]], target: float) -> list[Candidate]:
        """Return new and different candidates: a round asks for all of them, and another one follows while there are too few."""
        objective = exchange.shown.objective
        questions = [sampler_question(self._card, self._allowed, order, target, objective) for order in orders]
        found: list[Candidate] = []
        for number in range(1, self._options.rounds + 1):
            for call in range(self._options.candidates):
                try:
                    config = self._candidate(exchange, questions[call % len(questions)], found)
                    found.append(Candidate(config, number))
                except BadReply as bad:
                    exchange.refuse(bad)
            if len(found) >= self._options.least:
                break
        return found[: self._options.candidates]

    def _candidate(self, exchange: Exchange, question: str, found: list[Candidate]) -> Config:
        request = exchange.request([Message("user", question)], reply_schema(self._allowed, "none"))
        reply = exchange.send(request, "sampler")
        refuse_aborted(reply.finish_reason)
        answer = parse_reply(reply.text, self._allowed, cut_off=exchange.limit_of(reply), thought=bool(reply.thinking))
        refuse_repeat(answer.config, exchange.shown, DIGITS)
        if any(in_digits(other.config, DIGITS) == in_digits(answer.config, DIGITS) for other in found):
            raise BadReply("this is the configuration of another candidate", Kind.REPEAT)
        return answer.config

    def _predict(self, exchange: Exchange, orders: list[list[Trial]], config: Config) -> list[float]:
        """Return the usable predictions for one configuration, in points."""
        objective = exchange.shown.objective
        usable = []
        for order in orders:
            question = [Message("user", surrogate_question(self._card, order, config, objective))]
            for _ in range(self._options.draws):
                request = exchange.request(question, score_schema(objective))
                reply = exchange.send(replace(request, temperature=self._options.surrogate_temperature), "surrogate")
                try:
                    refuse_aborted(reply.finish_reason)
                    usable.append(read_prediction(reply.text, objective, cut_off=exchange.limit_of(reply)))
                except BadReply as bad:
                    exchange.refuse(bad)
        return usable


def _check(asking: Asking) -> None:
    check_asking(asking)
    if asking.context != CONTEXT:
        raise SettingsError(f"optimizer.context={asking.context}: LLAMBO shows its own; leave it out")
