"""A language model chooses among a few candidates that other methods propose.

    trajectory -> candidates -> context -> question -> backend -> a number -> configuration

Source: the selection step of BORA (its code at commit 83b2ebf, read and not run): of five proposals of a Gaussian process by expected
improvement the LLM returns two, and both are evaluated; that happens at most about once in ten trials. What is changed here, and why:

- It chooses in every trial, and one configuration: a choice is measured against the same number of trainings.
- The candidates may come from several methods (`select.source`), and the prompt does not say from which: the choice must come from the
  configuration, not from a method's name.
- The answer is one number, held to by an enumeration: a small model cannot leave the space, and needs no knowledge of its format.
- Where the server gives log-probabilities, all candidates are scored from one answer, and the likeliest is taken. It is not drawn, so a
  temperature changes nothing.
- Small models prefer places in a list, whatever stands there. So the list is rotated by one place from question to question: over as many
  questions as there are candidates, each place is equally often shown each rank. `select.orders` asks the question of a trial in so many
  rotations, a call each, and averages the model's probabilities (without log-probabilities, the answers). The report shows the preference.

The parts are the agent's (`harness.optimizers.agent`): context, names, prompt, and the checks of a reply. A bad reply is asked for again
with the reason, up to `agent.attempts` calls a question. Where no question got a usable one, a candidate is drawn, marked `fallback`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.errors import SettingsError, near
from harness.llm.asking import NO_OPTIONS, Asking, LlmOptimizer
from harness.llm.backend import MOST_LOGPROBS, Backend, Message, digest
from harness.optimizers.agent.context import SUMMARISED, Context
from harness.optimizers.agent.exchange import Exchange
from harness.optimizers.agent.names import Names
from harness.optimizers.agent.prompt import load_prompts, opening, space_text
from harness.optimizers.agent.reply import BadReply
from harness.optimizers.rules.policy import Rules
from harness.optimizers.selector.candidates import Candidate, Candidates, check_select, note_of
from harness.optimizers.selector.question import Answer, answer_schema, question_text, read_answer, template_hash
from harness.seeding import keyed_random
from harness.space import Space
from harness.task import TaskCard
from harness.trial import Proposal, Trajectory

PROMPT = "v2"  # of the agent's templates, for everything above the candidates


@dataclass(frozen=True)
class _Asked:
    """One question: the candidates' indices (from 0) in the order in which they were shown, the answer, and the attempts that it took."""

    order: tuple[int, ...]
    answer: Answer | None
    attempts: int

    def shares(self) -> dict[int, float]:
        """Return the model's probability of each candidate; of an unanswered question nothing."""
        return dict(zip(self.order, self.answer.shares(len(self.order)), strict=True)) if self.answer else {}

    def note(self) -> dict[str, object]:
        """Return what the trial's note keeps: the numbers of the candidates as they were shown, and by the places shown, the answer."""
        shown = [index + 1 for index in self.order]
        if self.answer is None:
            return {"order": shown, "answer": None}
        return {"order": shown, "answer": self.answer.number, "logprobs": list(self.answer.logprobs)}


class Selector(LlmOptimizer):
    """Propose the candidate that a language model chooses.

    `candidates` is their number, 2 to 9, and `source` where they come from (see `candidates.py`). Of `asking` it reads context, names,
    attempts, orders, blocks and format. `budget` is the number of trials. Raises SettingsError.
    """

    versions: ClassVar[Mapping[str, int]] = {"select": 1, **Rules.versions}

    def __init__(  # noqa: PLR0913 - the contract of LlmOptimizer, and the options
        self,
        space: Space,
        seed: int,
        *,
        asking: Asking,
        card: TaskCard,
        budget: int,
        backend: Backend,
        candidates: int,
        source: str,
    ) -> None:
        _check(asking)
        check_select(source, candidates, asking.orders)
        self._candidates = Candidates(space, seed, source=source, count=candidates, budget=budget, names=asking.names)
        self._seed = seed
        self._asking = asking
        self._card = card
        self._budget = budget
        self._backend = backend
        self._prompts = load_prompts(PROMPT)
        self._context = Context(asking.context, asking.blocks, asking.format, asking.log_every, self._prompts.manner.digits)
        self._names = Names.of(space, asking.names)

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        _check(asking)
        agent = {name: getattr(asking, name) for name in ("context", "names", "attempts")}
        return {
            "agent": {**agent, "prompt_hash": load_prompts(PROMPT).hash},
            "select": {"orders": asking.orders, "prompt_hash": template_hash()},
            "card": card.to_mapping(),
            "llm": asking.llm.identity(),
            **({"tcs": {"blocks": list(asking.blocks), "format": asking.format}} if asking.context in SUMMARISED else {}),
        }

    @classmethod
    def number_of_calls(
        cls,
        asking: Asking,
        trials: int,
        *,
        start: str = "none",
        options: Mapping[str, object] = NO_OPTIONS,  # noqa: ARG003 - it has none
    ) -> int:
        """Return the calls of a cell whose replies are all usable: one for each order of each trial that is chosen."""
        return (trials - (start == "default")) * asking.orders

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Ask the model which candidate to take. Raises Exhausted where there is none, and BackendError."""
        found = self._candidates.after(trajectory)
        if len(found) == 1:  # there is nothing to choose
            return Proposal(dict(found[0].config), note={"select": note_of(found, 1)})
        exchange = Exchange(self._names.trajectory(trajectory), self._seed, self._asking.llm, self._backend)
        text, messages = self._opening(exchange.shown)
        orders = self._orders(len(trajectory), len(found))
        asked = [self._question(exchange, messages, found, order) for order in orders]
        answered = [question for question in asked if question.answer]
        if not answered:
            place = self._drawn(len(trajectory) + 1, len(found))
            source, by = "fallback", "a random draw"
        else:
            place = _likeliest(answered, len(found))
            most = max(question.attempts for question in answered)
            source = "llm" if most == 1 else f"llm-retry-{most - 1}"
            by = "log-probabilities" if all(q.answer and q.answer.logprobs for q in answered) else "answers"
        select = {**note_of(found, place + 1), "by": by, "questions": [question.note() for question in asked]}
        return Proposal(dict(found[place].config), source, self._note(exchange, text, select))

    def _opening(self, shown: Trajectory) -> tuple[str, list[Message]]:
        """Return the text about the trials that the model sees, and the messages up to the candidates."""
        space = self._names.space
        nothing = self._prompts.manner.summary_of_nothing
        text = self._context.text(space, shown, budget=self._budget, seed=self._seed, summary_of_nothing=nothing)
        number, objective = len(shown) + 1, shown.objective
        messages = opening(
            self._prompts, self._card, space_text(space), objective, number=number, budget=self._budget, context=text
        )
        return text, messages

    def _orders(self, before: int, count: int) -> list[tuple[int, ...]]:
        """Return the rotations of the list for one trial. They go on where those of the trial before ended; the seed decides the first."""
        first = keyed_random(self._seed, "select order", 0).randrange(count) + before * self._asking.orders
        starts = [first + turn for turn in range(min(self._asking.orders, count))]
        return [tuple((place - start) % count for place in range(count)) for start in starts]

    def _question(self, exchange: Exchange, messages: list[Message], found: Sequence[Candidate], order: tuple[int, ...]) -> _Asked:
        system, task = messages
        shown = [self._names.shown(found[index].config) for index in order]
        question = f"{task.content}\n\n{question_text(exchange.trial, shown)}"
        asked = question
        for attempt in range(1, self._asking.attempts + 1):
            request = exchange.request([system, Message("user", asked)], answer_schema(len(order)))
            reply = exchange.send(replace(request, top_logprobs=MOST_LOGPROBS), "selector")
            try:
                return _Asked(order, read_answer(reply, len(order), self._asking.llm.max_tokens), attempt)
            except BadReply as bad:
                exchange.refuse(bad)
                asked = f"{question}\n\n{self._prompts.fill('retry', complaint=bad.short)}"
        return _Asked(order, None, self._asking.attempts)

    def _drawn(self, number: int, count: int) -> int:
        """Draw a place, with other random numbers than the control's, and than those of another context."""
        arm = digest(self.identity(self._asking, self._card))
        return keyed_random(self._seed, f"fallback {arm}", number).randrange(count)

    def _note(self, exchange: Exchange, context: str, select: Mapping[str, object]) -> dict[str, object]:
        prompt = {"version": PROMPT, "hash": self._prompts.hash}
        return {"context": context, "select": dict(select), "prompt": prompt, **exchange.note()}


def _likeliest(asked: Sequence[_Asked], count: int) -> int:
    """Return the index of the candidate with the largest mean probability; of equal ones, the one that the first question prefers."""
    shares = [question.shares() for question in asked]
    totals = [math.fsum(share[index] for share in shares) for index in range(count)]
    return max(asked[0].order, key=lambda index: (round(totals[index], 12), shares[0][index]))


def _check(asking: Asking) -> None:
    if asking.names not in ("real", "anonymous"):
        raise SettingsError(f"agent.names={asking.names}: no such choice{near(asking.names, ('real', 'anonymous'))}")
    if asking.attempts < 1:
        raise SettingsError(f"agent.attempts={asking.attempts}: must be 1 or more")
