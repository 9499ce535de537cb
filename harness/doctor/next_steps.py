"""The three most useful commands that run here and now, by what is ready: a list of them in order, of which the first three hold."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.config.overrides import conf_dir, conf_files, own_conf, suites
from harness.errors import RecordError
from harness.llm.probe import TEST_DOUBLE
from harness.readiness import Readiness
from harness.report.studies import Listed, listed_studies
from harness.tabular.header import tabular_tasks

STEPS = 3
# Presets that answer well enough to tune, in the order in which they are named: those of the paper first.
TUNERS = ("phi4", "qwen", "gpt_oss", "gemma4", "ministral3", "qwen35")
TINY = "smollm2"


@dataclass(frozen=True)
class Step:
    """A command, what it gives, and about how long it takes."""

    command: str
    gives: str
    takes: str


@dataclass(frozen=True)
class Here:
    """What the doctor has found, as far as it decides what to run next.

    `llms` and `tasks` are those that are ready, `own_tasks` the user's; `studies` are those with a finished cell, the last one first.
    `tables` says whether the core tasks have recorded trainings, `makefile` whether `make reproduce` works here. `python` is the word
    for the interpreter that has the harness, `flags` what every command needs to find the user's files.
    """

    llms: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    own_tasks: tuple[str, ...] = ()
    studies: tuple[Listed, ...] = ()
    tables: bool = False
    makefile: bool = False
    python: str = "python"
    flags: str = ""


def here(findings: Sequence[tuple[str, Readiness]], named: Sequence[Path] = ()) -> Here:
    """Return what decides the next steps: of the findings, of the current folder and of the studies in it."""
    tasks, llms = (
        frozenset(found.name for group, found in findings if group == kind and found.ready and TEST_DOUBLE not in found.warning)
        for kind in ("task", "LLM")
    )
    own = [folder for folder in (named or own_conf()) if folder.resolve() != conf_dir()]
    core = suites("task", (conf_dir(),)).get("core", [])
    return Here(
        llms=llms,
        tasks=tasks,
        own_tasks=tuple(path.stem for folder in own for path in conf_files(folder, "task") if path.stem in tasks),
        studies=tuple(_studies()),
        tables=set(core) <= set(tabular_tasks()),
        makefile=_is_checkout(Path.cwd()),
        python=_python(),
        flags="".join(f" --config-dir {folder}" for folder in named[:1]),
    )


def _studies() -> Iterator[Listed]:
    try:
        yield from (study for study in listed_studies(Path("runs")) if study.done)
    except RecordError:
        return


def _is_checkout(folder: Path) -> bool:
    """Say whether this folder is the one that the harness was installed from: its Makefile is the harness's own."""
    return (
        (folder / "Makefile").is_file() and (folder / "harness" / "doctor").is_dir() and conf_dir() == (folder / "conf").resolve()
    )


def _python() -> str:
    """Return the shortest word that starts this interpreter in a shell."""
    found = shutil.which("python")
    if found and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    relative = os.path.relpath(sys.executable)
    return relative if len(relative) < len(sys.executable) and not relative.startswith("..") else sys.executable


def next_steps(found: Here) -> list[Step]:
    """Return the commands to run next: the first three, in the order of the list below, that can run."""
    made = (step for choose in ORDER if (step := choose(found)) is not None)
    return [step for step, _ in zip(made, range(STEPS), strict=False)]


def _own_task(found: Here) -> Step | None:
    if not found.own_tasks:
        return None
    return Step(
        f"{found.python} -m harness.advise task={found.own_tasks[0]} seconds=600{found.flags}",
        "the method to use on your task, and its best configuration",
        "ten minutes at most; the same command goes on",
    )


def _llm(found: Here) -> Step | None:
    name = next((name for name in TUNERS if name in found.llms), None)
    if name is None:
        return None
    evaluator = " evaluator=table" if found.tables else ""
    return Step(
        f"{found.python} -m harness task=core{evaluator} optimizer=tcs_{name},raw_{name} study={name} -m",
        f"the paper's question with {name}: does the summary help it, on six tasks?",
        "120 proposals; the first cell tells how long one takes",
    )


def _first_study(found: Here) -> Step | None:
    if found.studies or not found.tables:
        return None
    if found.makefile:
        return Step("make reproduce", "the comparison of all methods that need no server", "a first table in a minute, all in ten")
    return Step(
        f"{found.python} -m harness +experiment=reproduce_table seeds=2",
        "the comparison of fourteen methods on six tasks, from recorded trainings",
        "a minute or two",
    )


def _page(found: Here) -> Step | None:
    if not found.studies:
        return None
    study = found.studies[0]
    return Step(
        f"{found.python} -m harness.report {study.name}",
        f"tables, figures and verdicts of what was run last ({study.done} of {study.planned} cells done)",
        "ten seconds",
    )


def _tiny_llm(found: Here) -> Step | None:
    if TINY not in found.llms:
        return None
    evaluator = " evaluator=table" if found.tables else ""
    return Step(
        f"{found.python} -m harness task=digits{evaluator} optimizer=tcs_{TINY}",
        "ten trials proposed by a real LLM in this process, far too small to tune",
        "one to three minutes",
    )


def _hosted_llm(found: Here) -> Step | None:
    name = next((name for name in ("gpt6_luna", "gpt6_sol") if name in found.llms), None)
    if name is None:
        return None
    return Step(
        f"{found.python} -m harness task=digits optimizer=tcs_{name} llm.cap_usd=1",
        f"ten trials proposed by {name}, which is paid for",
        "minutes, and one US dollar at most",
    )


def _live(found: Here) -> Step | None:
    if "digits" not in found.tasks:
        return None
    return Step(f"{found.python} -m harness task=digits optimizer=random", "one cell: ten trainings, live", "ten seconds")


def _classical(found: Here) -> Step | None:
    evaluator = " evaluator=table" if found.tables else ""
    return Step(
        f"{found.python} -m harness task=core{evaluator} optimizer=classical seeds=5 study=classical -m",
        "the classical methods against each other on six tasks",
        "two or three minutes" if found.tables else "thousands of trainings; the same command goes on",
    )


def _explain(found: Here) -> Step | None:
    return Step(f"{found.python} -m harness --help", "every choice and every setting", "a second")


ORDER: tuple[Callable[[Here], Step | None], ...] = (
    _own_task,
    _llm,
    _first_study,
    _page,
    _hosted_llm,
    _tiny_llm,
    _live,
    _classical,
    _explain,
)
