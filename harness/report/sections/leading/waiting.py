"""Planned arms that have no finished cell, and how to run the arms that the questions about LLMs lack."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from harness.report.render.document import Hint, listed
from harness.report.render.escape import cut
from harness.report.sections.findings import Findings
from harness.report.study_data import CellData, State

# The paper's first small LLM, shown the summary and shown the raw logs.
ASKING = "tcs_phi4+default,raw_phi4+default"
# What a command takes that says nothing.
BUDGET, EVALUATOR = 10, "live"
MOST_TASKS, MOST_ARMS, LONGEST_REASON = 8, 4, 80
_NO_MODEL = re.compile(r"Ollama \S+ has no (\S+)")
_NO_KEY = re.compile(r"([A-Z][A-Z0-9_]*) is not set")
_STATES = {
    State.FAILED: ("has failed", "have failed"),
    State.UNREADABLE: ("cannot be read", "cannot be read"),
    State.UNFINISHED: ("has no finished cell", "have no finished cell"),
    State.NEVER: ("has not begun", "have not begun"),
}


def asks_llm(found: Findings) -> bool:
    """Say whether a cell of an arm that asks an LLM is done."""
    absent = set(found.absent)
    return any(arm.role == "llm" for name, arm in found.arms.items() if name not in absent)


def waiting_words(found: Findings, *, blocked_only: bool = False) -> tuple[str, ...]:
    """Return a sentence that counts the arms without a finished cell, by what they wait for; nothing where all have one.

    `blocked_only` leaves out those that wait for nothing but their turn.
    """
    counts: dict[tuple[bool, str, str], int] = {}
    for name in (name for name in found.absent if _blocked(found, name) or not blocked_only):
        need = _need(found, name)
        counts[need] = counts.get(need, 0) + 1
    said = [
        f"{count} {'LLM' if asks else 'planned'} {f'arm {one}' if count == 1 else f'arms {many}'}"
        for (asks, one, many), count in counts.items()
    ]
    return (f"{'; '.join(said)}.",) if said else ()


def _need(found: Findings, name: str) -> tuple[bool, str, str]:
    """Return whether an arm is known to ask an LLM, and what it waits for, of one such arm and of several."""
    asks = found.arms[name].role == "llm"
    if cell := _blocked(found, name):
        need, of_llm = _awaited(cell.reason)
        return asks or of_llm, f"waits for {need}", f"wait for {need}"
    states = {cell.state for cell in found.study.cells if cell.arm == name}
    return asks, *next(words for state, words in _STATES.items() if state in states)


def _blocked(found: Findings, name: str) -> CellData | None:
    return next((cell for cell in found.study.cells if cell.arm == name and cell.state is State.BLOCKED), None)


def _awaited(reason: str) -> tuple[str, bool]:
    """Return what would make a blocked arm ready, and whether it is something that only an arm with an LLM needs."""
    if reason.startswith("no Ollama at "):
        return "Ollama", True
    if found := _NO_MODEL.match(reason):
        return f"Ollama to have {cut(found[1], LONGEST_REASON)}", True
    if found := _NO_KEY.match(reason):
        return f"the key {found[1]}", True
    if reason.startswith("no OpenAI-compatible server at "):
        return "an OpenAI-compatible server", True
    return f"what they lack ({cut(reason, LONGEST_REASON)})" if reason else "what they lack", False


def how_to_ask(found: Findings) -> Hint | None:
    """Return how to run arms that ask an LLM; None where some have run."""
    if asks_llm(found):
        return None
    left_out = "No arm with an LLM has run in this study, so the questions about LLMs are left out."
    blocked = [(name, cell) for name in found.absent if (cell := _blocked(found, name)) and _need(found, name)[0]]
    if not blocked:
        text = f"{left_out} Where Ollama runs, this adds two of them (python -m harness.doctor says which other LLMs are ready):"
        return Hint(text, tuple(_command(found)))
    fixes = dict.fromkeys(cell.fix for _, cell in blocked if cell.fix)
    arms = listed([name for name, _ in blocked], MOST_ARMS)
    text = (
        f"{left_out} {arms} wait ({cut(blocked[0][1].reason, LONGEST_REASON)}). Make that ready, and give the study's command again"
    )
    return Hint(f"{text}:", tuple(next(iter(fixes)).split(" "))) if fixes else Hint(f"{text}.")


def _command(found: Findings) -> Iterator[str]:
    """Yield the words of the command that adds two arms with an LLM to the study."""
    yield from ("python", "-m", "harness", f"study={shlex.quote(found.study.name)}")
    tasks = found.study.tasks
    yield shlex.quote(f"task={','.join(tasks if len(tasks) <= MOST_TASKS else tasks[:1])}")
    yield f"optimizer={ASKING}"
    seeds = sorted({cell.seed for cell in found.study.cells})
    if seeds == list(range(len(seeds))):
        yield f"seeds={len(seeds)}"
    budgets = {cell.budget for cell in found.study.cells}
    if budgets != {BUDGET} and len(budgets) == 1:
        yield f"budget={budgets.pop()}"
    evaluators = {str(cell.settings.get("evaluator", EVALUATOR)) for cell in found.study.cells if cell.settings}
    if evaluators and evaluators != {EVALUATOR} and len(evaluators) == 1:
        yield f"evaluator={shlex.quote(evaluators.pop())}"
    yield "-m"
