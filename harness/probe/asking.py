"""Ask an agent's question again: as it was, or with one fact of its summary changed, and with the same sampling seed or another one.

The agent itself asks: its prompt, schema, reading of replies and retries are those of the arm. The probe gives it another context, whose
summary holds the change, and a backend that numbers the calls and puts another seed into them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.llm.backend import Backend, Reply, Request
from harness.optimizers.agent.agent import context_of
from harness.optimizers.agent.context import Context
from harness.probe.changes import Change, Edit
from harness.probe.records import Answer
from harness.probe.states import Place
from harness.seeding import keyed_seed
from harness.space import Space
from harness.tcs import BLOCKS, Section, Summary, summarize
from harness.trial import Trajectory

# The calls of the second time that a question is asked with the same seed are numbered from here on, so that no record answers them.
AGAIN = 1_000


@dataclass(frozen=True)
class Question:
    """One question of a state: `change` None leaves the summary as it was; `draw` 0 has the recorded sampling seed, others have their own.

    `again`: the same question with the same seed a second time. `key` identifies all that decides the answer.
    """

    place: Place
    change: Change | None
    draw: int
    again: bool
    key: str

    @property
    def name(self) -> tuple[str, int, str, int, bool, str]:
        """What an answer to this question, and to no other, has as its own `name`."""
        return (self.place.of.cell.cell, self.place.number, self.change.key if self.change else "", self.draw, self.again, self.key)


class _Asked(Exception):
    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


class _Stop:
    """A backend that answers nothing: it raises what it is asked."""

    def complete(self, request: Request) -> Reply:
        raise _Asked(request)


class Drawn:
    """Gives requests the sampling seed of a draw, and numbers the calls of a repeated question apart."""

    def __init__(self, inner: Backend, draw: int, again: bool) -> None:
        self._inner, self._draw, self._again = inner, draw, again

    def complete(self, request: Request) -> Reply:
        return self._inner.complete(self.turned(request))

    def turned(self, request: Request) -> Request:
        """Return the request as it is sent. Draw 0 keeps its seed."""
        call = request.call + AGAIN * self._again
        if self._draw == 0 or request.seed is None:
            return replace(request, call=call)
        return replace(request, call=call, seed=keyed_seed(request.seed, "probe", self._draw, bits=31))


def context_with(context: Context, change: Change | None) -> Context:
    """Return a context whose summary holds a change."""
    if change is None:
        return context

    def changed(space: Space, trajectory: Trajectory, budget: int, blocks: Sequence[str]) -> Summary:
        edit = change.make(space, trajectory, budget)
        plain = summarize(space, trajectory, budget, blocks)
        if edit is None:
            return plain
        pairs = zip(blocks, plain.sections, strict=True)
        seen = (_seen(name, edit, space, budget) if change.sees(name) else section for name, section in pairs)
        return Summary(plain.trials, tuple(seen))

    return replace(context, summarize=changed)


def _seen(block: str, edit: Edit, space: Space, budget: int) -> Section:
    return edit.section or BLOCKS[block](space, edit.past, budget)


def first_request(place: Place, change: Change | None) -> Request:
    """Return the first request of a question, without asking it."""
    agent = place.of.agent(_Stop(), context_with(context_of(place.of.asking), change))
    try:
        agent.propose(place.trajectory)
    except _Asked as asked:
        return asked.request
    raise AssertionError("an agent proposes nothing without asking")


@dataclass(frozen=True)
class Posed:
    """The questions of one state, and what each change says of it, by the change's key."""

    place: Place
    edits: Mapping[str, Edit]
    questions: tuple[Question, ...]


def posed(place: Place, changes: Sequence[Change], repeats: int) -> Posed:
    """Return the questions of a state: unchanged `repeats` times, once more with the first seed, and each change `repeats` times.

    A change has no question where the state holds no such fact, or where the prompt does not show it.
    """
    plain, edits, asked = first_request(place, None), dict[str, Edit](), list(_drawn(place, None, repeats))
    asked.append(Question(place, None, 0, True, plain.key))
    for change in changes:
        edit = change.make(place.of.space, place.trajectory, place.of.budget)
        if edit is not None and first_request(place, change).messages != plain.messages:
            edits[change.key] = edit
            asked += _drawn(place, change, repeats)
    return Posed(place, edits, tuple(asked))


def _drawn(place: Place, change: Change | None, repeats: int) -> Iterator[Question]:
    request = first_request(place, change)
    for draw in range(repeats):
        yield Question(place, change, draw, False, Drawn(_Stop(), draw, False).turned(request).key)


def answer(question: Question, backend: Backend) -> Answer:
    """Ask, and return the proposal; it has no configuration when no reply could be used. Raises BackendError."""
    place = question.place
    drawn = Drawn(backend, question.draw, question.again)
    agent = place.of.agent(drawn, context_with(context_of(place.of.asking), question.change))
    proposal = agent.propose(place.trajectory)
    replies = list(proposal.note.get("replies", ()))
    cell, number, change, draw, again, key = question.name
    return Answer(
        cell=cell,
        task=place.of.cell.task,
        trial=number,
        change=change,
        draw=draw,
        again=again,
        key=key,
        config=None if proposal.source == "fallback" else dict(proposal.config),
        calls=len(replies),
        problem=str(replies[-1].get("problem") or "") if proposal.source == "fallback" else "",
        model=dict(proposal.note.get("model", {})),
    )


def changed_lines(place: Place, change: Change) -> list[str]:
    """Return the lines of the prompt that a change takes away (`- ...`) and puts in their place (`+ ...`)."""
    was, now = ([line for m in first_request(place, which).messages for line in m.content.splitlines()] for which in (None, change))
    return [line for line in difflib.ndiff(was, now) if line[:2] in ("- ", "+ ")]


def as_recorded(place: Place) -> bool:
    """Say whether the unchanged question shows the text about the trials that the record holds."""
    return place.recorded_context in "\n".join(message.content for message in first_request(place, None).messages)
