"""The steps of the command: find the states, ask what is not answered, compare, print and write the page."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.cli.forecast import ASSUMED_SECONDS, measured_seconds
from harness.console import duration, say
from harness.errors import RecordError, SettingsError, shown
from harness.llm.backend import ModelFacts
from harness.llm.build import build_backend
from harness.llm.errors import OtherModel
from harness.llm.probe import readiness
from harness.llm.recording import described, is_same
from harness.llm.settings import LlmSettings
from harness.probe.asking import Posed, answer, as_recorded, changed_lines, posed
from harness.probe.changes import Change, changes_named
from harness.probe.measures import Answered, effects
from harness.probe.page import KEY, Told, page_of
from harness.probe.records import ANSWERS, FOLDER, Answer, ProbeFolder, read_answers
from harness.probe.request import Request
from harness.probe.states import Place, found_places
from harness.report.analysis.intervals import Resampling
from harness.report.render.terminal import to_terminal
from harness.report.render.write import write_report
from harness.signals import stop_if_asked
from harness.space import Config
from harness.store.plan import find_study


@dataclass(frozen=True)
class State:
    """The questions of one state, and the answers that are there."""

    posed: Posed
    answers: tuple[Answer, ...]

    @property
    def whole(self) -> bool:
        """Whether every question is answered."""
        return len(self.answers) == len(self.posed.questions)


def probe(request: Request) -> None:
    """Ask, print the tables and write the page. Raises HarnessError."""
    study = find_study(request.study)
    assert study is not None
    arm, places = found_places(study, request.arm, request.task, request.states, request.overrides)
    changes = changes_named(request.changes, places[0].of.asking.blocks)
    asked = [posed(place, changes, request.repeats) for place in places]
    folder = study / FOLDER / arm
    if not request.show:
        _ask(folder, study, asked)
    known = read_answers(folder)
    states = [State(one, tuple(known[q.name] for q in one.questions if q.name in known)) for one in asked]
    if not any(state.answers for state in states):
        raise RecordError(f"{folder}: holds no answer to these questions; leave out --show to ask them")
    found = effects([_answered(state) for state in states if state.whole], changes, Resampling())
    title = f"Probe of {arm} in study {study.resolve().name}"
    told = Told(title, tuple(_facts(states, request)), tuple(_problems(states)), tuple(_examples(asked, changes)))
    page = page_of(found, told)
    print(to_terminal(page, [KEY]), end="", flush=True)
    write_report(page, folder)
    print(f"\nanswers: {shown(str(folder / ANSWERS))}\npage:    {shown(str(folder / 'report.html'))}", flush=True)


def _ask(folder: Path, study: Path, asked: Sequence[Posed]) -> None:
    """Ask what no record answers; each answer is on the disk before the next question."""
    done = read_answers(folder)
    todo = [(one.place, [question for question in one.questions if question.name not in done]) for one in asked]
    count = sum(len(waiting) for _, waiting in todo)
    if not count:
        return
    llm = asked[0].place.of.asking.llm
    _refuse_unready(llm)
    with ProbeFolder(folder) as kept:
        calls = kept.calls(llm.model_name)
        say(_forecast(asked[0].place, count, study, [call.seconds for call in calls if call.reply]))
        backend = build_backend(llm, keep=kept.keep_call, answered=calls)
        for turn, (place, waiting) in enumerate(todo, start=1):
            if waiting:
                say(f"[{turn}/{len(todo)}] {place.label}: {len(waiting)} questions")
            for question in waiting:
                stop_if_asked()
                try:
                    kept.keep_answer(answer(question, backend))
                except OtherModel as error:
                    raise RecordError(f"other weights answer than before: move {folder} away to ask all anew ({error})") from error


def _refuse_unready(llm: LlmSettings) -> None:
    """Raise SettingsError when the LLM cannot answer; say what its user should know."""
    ready = readiness(llm)
    if not ready.ready:
        raise SettingsError(f"{ready.reason}{f'; make it ready with: {ready.command}' if ready.command else ''}")
    for text in filter(None, (ready.warning, ready.notice)):
        say(f"llm: {text}")


def _forecast(place: Place, count: int, study: Path, seconds: Sequence[float]) -> str:
    """Say how many calls there will be at least, and about how long they take."""
    asking = place.of.asking
    name = asking.llm.model_name
    calls = count * (2 if asking.calls == "two" else 1)
    measured = statistics.median(seconds) if seconds else measured_seconds(study.resolve().parent, name)
    how = "assumed, since no call of it is recorded" if measured is None else "as recorded"
    each = ASSUMED_SECONDS if measured is None else measured
    retries = f"; up to {asking.attempts} times as many where replies cannot be used" if asking.attempts > 1 else ""
    time = f"about {duration(calls * each)}, at {each:.3g} s a call ({how})"
    return f"{count} questions, {calls} calls to {name or 'the LLM'}: {time}{retries}"


def _answered(state: State) -> Answered:
    place, edits = state.posed.place, state.posed.edits
    usable = [(answer, answer.config) for answer in state.answers if answer.config is not None]

    def of(change: str) -> dict[int, Config]:
        return {answer.draw: config for answer, config in usable if answer.change == change and not answer.again}

    return Answered(
        place.of.cell.task,
        place.of.space,
        of(""),
        next((config for answer, config in usable if answer.again), None),
        {key: of(key) for key in edits},
        {key: (place.trials[edit.trial - 1].config, edit.favours) for key, edit in edits.items()},
    )


def _facts(states: Sequence[State], request: Request) -> Iterator[tuple[str, str]]:
    answers = [answer for state in states for answer in state.answers]
    places = [state.posed.place for state in states]
    models = dict.fromkeys(described(ModelFacts.from_dict(answer.model)) for answer in answers if answer.model)
    llm = places[0].of.asking.llm
    cells, tasks = {place.of.cell.cell for place in places}, dict.fromkeys(place.of.cell.task for place in places)
    yield "Model", "; ".join(models) or llm.model_name
    yield "Temperature", "the server's" if llm.temperature is None else f"{llm.temperature:g}"
    yield "States", f"{len(places)} of {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, on {', '.join(tasks)}"
    yield "Sampling seeds", f"{request.repeats} for each question"
    yield "Answers", f"{len(answers)} of {sum(len(state.posed.questions) for state in states)}"
    yield "Calls", str(sum(answer.calls for answer in answers))


def _problems(states: Sequence[State]) -> Iterator[str]:
    """Say what keeps the figures from being taken as they are."""
    answers = [answer for state in states for answer in state.answers]
    total = len(states)
    if missing := sum(not state.whole for state in states):
        yield f"{missing} of {total} states are not answered in full, and left out; the same command without --show goes on"
    if other := sum(not as_recorded(state.posed.place) for state in states):
        yield f"in {other} of {total} states the unchanged question is worded otherwise than recorded, by another version"
    yield from _of_models(states, [ModelFacts.from_dict(answer.model) for answer in answers if answer.model])
    if unusable := [answer for answer in answers if answer.config is None]:
        why = f"the last: {unusable[-1].problem}"
        yield f"{len(unusable)} of {len(answers)} questions got no usable reply, and are left out ({why})"


def _of_models(states: Sequence[State], facts: Sequence[ModelFacts]) -> Iterator[str]:
    if any(fact.is_double for fact in facts):
        yield "a test double answered, and no model: these figures say nothing of any LLM"
    places = [state.posed.place for state in states]
    noted = [model for place in places if (model := place.trials[place.number - 1].proposal.note.get("model"))]
    before = ModelFacts.from_dict(noted[0]) if noted else None
    if before and facts and not is_same(before, facts[-1]):
        yield f"the recorded trials were proposed by {described(before)}, and {described(facts[-1])} was asked now"


def _examples(asked: Sequence[Posed], changes: Sequence[Change]) -> Iterator[tuple[Change, str, Sequence[str]]]:
    for change in changes:
        place = next((one.place for one in asked if change.key in one.edits), None)
        if place:
            yield change, place.label, changed_lines(place, change)
