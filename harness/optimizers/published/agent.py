"""The released system as a method: a Generator call before each training, and an Analyzer call after it.

Source of the order: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. The Analyzer's call for a training is
made when the next trial is proposed, so that resuming is replaying. So the analysis after the last training, which the release makes and
nobody reads, is neither made nor paid for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from harness.errors import SettingsError
from harness.llm.asking import NO_OPTIONS, Asking, LlmOptimizer
from harness.llm.backend import Backend, Message, Reply
from harness.optimizers._untried import untried
from harness.optimizers.published.answer import Answered, RuleContext, answered, into_space, repaired_reply
from harness.optimizers.published.dimension import completed, dimensions_of
from harness.optimizers.published.front import cut_front
from harness.optimizers.published.history import Reader, Training, trainings_of
from harness.optimizers.published.metric import Metric, told_name
from harness.optimizers.published.parsing import find_all, without_thinking
from harness.optimizers.published.pattern import Pattern, pattern_of
from harness.optimizers.published.prompt import analyzer_messages, fill, generator_messages, prompt_hash
from harness.optimizers.published.rules import ROLES
from harness.optimizers.published.strict import read
from harness.optimizers.published.summary import summarise
from harness.optimizers.published.switches import Switches
from harness.space import Space
from harness.task import TaskCard
from harness.trial import Objective, Proposal, Trajectory

ECHO_CHARACTERS = 4_000
NO_REPLY = "no reply: default"
EMPTY_ANALYSIS = "the analysis was empty"


@dataclass
class _Exchange:
    """The calls of one trial: for each its number, its role, and its problem, if it had one. `cuts`: of prompts that were cut."""

    trial: int
    replies: list[dict[str, object]] = field(default_factory=list)
    cuts: list[dict[str, object]] = field(default_factory=list)
    last: Reply | None = None


@dataclass(frozen=True)
class _State:
    """What is known when a trial is proposed."""

    number: int
    metric: Metric
    reader: Reader
    trainings: tuple[Training, ...]
    pattern: Pattern
    rules: RuleContext


class Published(LlmOptimizer):
    """Propose what the released system would propose, given the same replies.

    `switches` are the settings `published.*` (see `switches.py`). With `after_rules=alone` no LLM is asked, and `asking`, `budget` and
    `backend` are not needed: the first trial is the default configuration, every other one the last configuration after the hidden
    rules. The card is read for the name of the metric only; no agent is told anything else of the task.

    The method draws nothing at random, but for the marked draw that ends `repair=strict` after `attempts` unusable replies.
    Raises SettingsError.
    """

    versions: ClassVar[Mapping[str, int]] = {"published": 1}
    reads_card: ClassVar[bool] = True
    refuses_tables: ClassVar[str] = (
        "the hidden rules multiply a rate by 0.7 or 1.2, which the grid of a table takes back: leave out evaluator=table"
    )

    def __init__(  # noqa: PLR0913 - the contract of LlmOptimizer
        self,
        space: Space,
        seed: int,
        *,
        card: TaskCard,
        switches: Mapping[str, object] | None = None,
        attempts: int = 3,
        asking: Asking | None = None,
        budget: int = 0,  # noqa: ARG002 - the released system is told no budget
        backend: Backend | None = None,
    ) -> None:
        self._space = space
        self._seed = seed
        self._card = card
        self._switches = Switches.read(switches or {})
        self._asking = asking
        self._backend = backend
        self._dimensions = dimensions_of(space)
        if self._switches.asks and (asking is None or backend is None):
            raise SettingsError("the published system asks an LLM: give llm=NAME, or published.after_rules=alone")
        if attempts < 1:
            raise SettingsError(f"agent.attempts={attempts}: must be 1 or more")
        self._attempts = attempts

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        return {
            "agent": {"context": asking.context, "prompt_hash": prompt_hash()},
            "card": {"metric": card.metric},
            "llm": asking.llm.identity(),
        }

    @classmethod
    def number_of_calls(
        cls,
        asking: Asking,  # noqa: ARG003 - as the base class
        trials: int,
        *,
        start: str = "none",
        options: Mapping[str, object] = NO_OPTIONS,  # noqa: ARG003 - as the base class
    ) -> int:
        """Return the calls of a cell whose replies are all usable: two for each trial, but one for the first."""
        return 2 * trials - (2 if start == "default" else 1)

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Ask both agents for the next configuration. Raises BackendError when the model cannot be reached."""
        state = self._state(trajectory, trajectory.objective)
        if not self._switches.asks:
            return self._alone(trajectory, state)
        exchange = _Exchange(state.number)
        context, analysis = self._analyse(state, exchange)
        last = completed(trajectory[-1].config if len(trajectory) else self._space.default(), self._dimensions)
        messages = generator_messages(
            self._dimensions, last, state.pattern, state.metric, self._switches, analysis, first=not state.trainings
        )
        note: dict[str, object] = {"analysis": analysis if state.trainings else "", "context": context}
        if self._switches.repair == "strict":
            proposal = self._strict(messages, state, exchange, trajectory)
        else:
            proposal = self._silent(messages, state, exchange)
        return replace(proposal, note={**note, **proposal.note, **self._record(state, exchange)})

    def _state(self, trajectory: Trajectory, objective: Objective) -> _State:
        metric = Metric.named(told_name(objective, self._card.metric))
        reader = Reader(metric, self._switches.score == "best", self._switches.overfitting == "real")
        trainings = trainings_of(trajectory, metric)
        pattern, number = pattern_of(trainings, reader), len(trajectory) + 1
        rules = RuleContext(pattern, number, ROLES, active=self._switches.after_rules != "off")
        return _State(number, metric, reader, trainings, pattern, rules)

    def _analyse(self, state: _State, exchange: _Exchange) -> tuple[str, str]:
        """Return the summary of the trainings so far, and the Analyzer's answer to it; before the first, that there is none."""
        if not state.trainings:
            return "", fill("no_analysis")
        summary = summarise(state.trainings, self._dimensions, state.reader, self._switches)
        names = [dimension.name for dimension in self._dimensions]
        context, messages = analyzer_messages(summary, names, state.metric, self._switches)
        text = without_thinking(self._ask(messages, exchange, "analyzer").text)
        if not text:
            exchange.replies[-1] |= {"problem": EMPTY_ANALYSIS, "kind": "unparsed"}
        return context, text or fill("failed_analysis")

    def _silent(self, messages: list[Message], state: _State, exchange: _Exchange) -> Proposal:
        """Make a configuration of whatever is answered: what cannot be read becomes the default."""
        text = without_thinking(self._ask(messages, exchange, "generator").text)
        if not text:
            exchange.replies[-1] |= {"problem": "the reply was empty", "kind": "unparsed"}
            config = self._space.default()
            values = {name: {"steps": [NO_REPLY], "trained": value, "fate": "defaulted"} for name, value in config.items()}
            return Proposal(config, "default", {"values": values})
        found, repaired = repaired_reply(text, self._dimensions)
        answer = answered(found, repaired, self._space, self._dimensions, state.rules)
        if not answer.readable:
            exchange.replies[-1] |= {"problem": "the reply holds no readable value", "kind": "unparsed"}
        return Proposal(answer.config, answer.source if answer.readable else "default", _values(answer))

    def _strict(self, messages: list[Message], state: _State, exchange: _Exchange, trajectory: Trajectory) -> Proposal:
        """Ask again, with the reason, while a value is missing or not allowed; after all attempts, draw at random."""
        assert self._asking is not None
        opening = messages
        for attempt in range(self._attempts):
            text = without_thinking(self._ask(messages, exchange, "generator").text)
            found = find_all(text, self._space.names)
            values, problems = read(found, self._space)
            if not problems:
                answer = answered(found, values, self._space, self._dimensions, state.rules)
                source = f"llm-retry-{attempt}" if attempt and answer.source == "llm" else answer.source
                return Proposal(answer.config, source, _values(answer))
            complaint, kind = "; ".join(problems), "invalid" if any(found.values()) else "unparsed"
            exchange.replies[-1] |= {"problem": complaint, "kind": kind, "why": complaint}
            echo = Message("assistant", text[-ECHO_CHARACTERS:] or "(empty)")
            messages = [*opening, echo, Message("user", fill("complaint", complaint=complaint))]
        arm = [self.identity(self._asking, self._card), self._switches.to_mapping(), self._attempts]
        return Proposal(untried(self._space, trajectory, self._seed, arm), "fallback")

    def _ask(self, messages: list[Message], exchange: _Exchange, role: str) -> Reply:
        """Send messages without a schema and without a seed, as the release does; its other options are those of `llm`."""
        assert self._asking is not None
        assert self._backend is not None
        call = len(exchange.replies) + 1
        is_cut = False
        if self._switches.window != "full":
            window = int(self._switches.window)
            cut = cut_front(messages, window)
            messages, is_cut = cut.messages, cut.characters > 0
            exchange.cuts.append({"call": call, **cut.to_mapping(window)})
        request = self._asking.llm.request(messages, schema=None, seed=None, trial=exchange.trial, call=call)
        reply = self._backend.complete(replace(request, is_cut=is_cut))
        exchange.replies.append({"call": call, "role": role, "problem": None})
        exchange.last = reply
        return reply

    def _alone(self, trajectory: Trajectory, state: _State) -> Proposal:
        """Apply the hidden rules to the last configuration."""
        if not state.trainings:
            return Proposal(self._space.default(), "default", {"state": asdict(state.pattern)})
        before = completed(trajectory[-1].config, self._dimensions)
        after, changes = state.rules.apply(before, self._dimensions)
        config = self._space.restrict({hp.name: into_space(after[hp.name], hp)[0] for hp in self._space})
        acted = {
            name: {"rule": c.rule, "before": c.before, "trained": config[name]} for name, c in changes.items() if name in config
        }
        return Proposal(config, "optimizer", {"state": asdict(state.pattern), "rules": acted})

    def _record(self, state: _State, exchange: _Exchange) -> dict[str, object]:
        facts = exchange.last.facts.to_dict() if exchange.last else {}
        told = {"metric": state.metric.name, "target": state.metric.target, "known_target": state.metric.known}
        cuts = {"cuts": exchange.cuts} if exchange.cuts else {}
        return {
            "state": asdict(state.pattern),
            "told": told,
            "prompt": {"hash": prompt_hash()},
            "replies": exchange.replies,
            "model": facts,
            **cuts,
        }


def _values(answer: Answered) -> dict[str, object]:
    return {"values": {name: fate.to_mapping() for name, fate in answer.fates.items()}}
