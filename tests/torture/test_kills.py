"""A cell that is killed at any moment goes on to the result that it would have had, and no LLM call that was answered is paid twice."""

from __future__ import annotations

import functools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.commands import records
from torture.conftest import Zygote, group_is_gone
from torture.points import POINTS, WANDB_POINTS
from torture.size import FULL, scaled

from harness.llm.calls import read_calls
from harness.report.sources.records import read_study
from harness.store.cell_folder import CALLS, TRIALS
from harness.store.lock import OWNER
from harness.testing.servers.ollama_api import OllamaDouble

ARMS = ("random", "tcs_phi4", "rules", "tpe", "skopt_gp")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
# In its very last moments Python has given up its handlers, and the signal's own default ends it.
ENDED = {signal.SIGKILL: {-9, 0}, signal.SIGTERM: {143, -15, 0}, signal.SIGINT: {130, -2, 0}}
STOPPED = "harness: stopped; the same command goes on from here\n"


@dataclass
class Victim:
    """A study that is killed and launched again, with what its LLM was asked and what of that was on the disk at each kill."""

    zygote: Zygote
    ollama: OllamaDouble
    folder: Path
    argv: tuple[str, ...]
    kills: int = 0
    paid: list[tuple[int, set[str]]] = field(default_factory=list)

    @property
    def study(self) -> Path:
        return self.folder / "runs" / "main"

    def kill_after(self, number: signal.Signals, wait: float, *, working: bool) -> int:
        """Launch, kill after `wait` seconds (counted from its next trial with `working`), and return how it ended."""
        before = self._trial_bytes()
        pid = self.zygote.start(self.argv, self.folder)
        deadline = time.monotonic() + 20
        while working and self._trial_bytes() == before and not self._all_done() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(wait)
        os.kill(pid, number)  # also when it is done: it waits for somebody to ask how it ended
        return self._ended(pid, number)

    def kill_at(self, point: str, number: signal.Signals, occurrence: int) -> None:
        """Launch, and have it kill itself at a named point."""
        mark = self.folder / "stopped-there"
        stop = {"name": point, "occurrence": occurrence, "number": int(number), "mark": str(mark)}
        pid = self.zygote.start(self.argv, self.folder, stop=stop)
        self._ended(pid, number)
        assert mark.exists(), f"it never came to '{point}'"

    def finish(self) -> None:
        """Launch once more, undisturbed."""
        status, output = self.zygote.run(self.argv, self.folder)
        assert (status, self._without_announcement(output)) == (0, "")
        self._nothing_was_paid_twice()

    def _without_announcement(self, output: str) -> str:
        """Return what a command printed beside the line that says who answers."""
        return output.removeprefix(self.ollama.announced)

    def _ended(self, pid: int, number: signal.Signals) -> int:
        status = self.zygote.wait(pid)
        self.kills += 1
        output = self._without_announcement((self.folder / "output.txt").read_text())
        assert status in ENDED[number], output
        assert output == (STOPPED if status in (130, 143) and output else "")
        assert group_is_gone(pid)
        known = [call for path in self.study.rglob(CALLS) for call in read_calls(path) if call.reply is not None]
        self.paid.append((len(self.ollama.received), {str([m.content for m in call.messages]) for call in known}))
        return status

    def _nothing_was_paid_twice(self) -> None:
        """Fail when a request was made again after its answer was on the disk, or more often than there were kills."""
        asked = [(n, _asked(one.body)) for n, one in enumerate(self.ollama.received) if one.path == "/api/chat" and one.body]
        for seen, known in self.paid:
            again = [text for n, text in asked if n >= seen and text in known]
            assert not again
        mine = Counter(text for n, text in asked if self.paid and n >= self.paid[0][0])
        assert sum(count - 1 for count in mine.values()) <= self.kills

    def _trial_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.study.rglob(TRIALS))

    def _all_done(self) -> bool:
        folders = list(self.study.glob("*/*/seed*"))
        return bool(folders) and all((folder / "summary.json").exists() for folder in folders)


def _asked(body: Any) -> str:
    return str([message["content"] for message in body["messages"]])


Make = Callable[..., "Victim"]


@pytest.fixture
def make(zygote: Zygote, ollama: OllamaDouble, tmp_path: Path) -> Make:
    """Make victims, each in a folder of its own; the server forgets what it was asked before."""
    ollama.received.clear()

    def made(arm: str, *more: str, name: str = "victim") -> Victim:
        folder = tmp_path / name
        folder.mkdir()
        return Victim(zygote, ollama, folder, command(ollama, arm, *more))

    return made


def command(ollama: OllamaDouble, arm: str, *more: str) -> tuple[str, ...]:
    asked = ("task=toy", f"optimizer={arm}", "budget=6", "seeds=2", "progress=off", *more)
    asked += () if any("tracking" in entry for entry in more) else ("tracking=off",)
    return (*asked, f"llm.base_url={ollama.url}") if arm == "tcs_phi4" else asked


Whole = Callable[[str], tuple[Any, float]]


@pytest.fixture(scope="session")
def whole(zygote: Zygote, ollama: OllamaDouble, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return, for an arm, the records of a run that nobody interrupted, and the seconds that it took."""

    @functools.cache
    def of(arm: str) -> tuple[Any, float]:
        folder = tmp_path_factory.mktemp(arm)
        began = time.monotonic()
        assert zygote.run(command(ollama, arm), folder) == (0, ollama.announced if arm == "tcs_phi4" else "")
        found = records(folder / "runs" / "main")
        assert [len(rows) for rows in found.values()] == [6, 6]
        return found, time.monotonic() - began

    return of


def intact(victim: Victim, expected: Any) -> None:
    """Fail unless a study holds exactly what it should, with no half of anything, and can be reported."""
    assert records(victim.study) == expected
    data = read_study(victim.study)
    assert data.problems == ()
    assert {str(cell.state) for cell in data.cells} == {"done"}
    for folder in victim.study.glob("*/*/seed*"):
        # Who was killed after the summary leaves the line of a lock that nobody needs any more.
        names = {path.name for path in folder.iterdir()} - {OWNER, CALLS}
        assert names == {".lock", "manifest.json", "summary.json", "trials.jsonl"}


CHAINS = scaled(2, 50)
KILLS = scaled(2, 4)


@pytest.mark.parametrize("chain", range(CHAINS))
def test_killed_at_random_moments_a_study_ends_as_one_that_was_not(
    make: Make, whole: Whole, chain: int, ollama: OllamaDouble
) -> None:
    rng = random.Random(chain)
    arm = ARMS[chain % len(ARMS)]
    victim = make(arm, *(["-m"] if chain % 10 > 7 else []))
    expected, seconds = whole(arm)
    ollama.received.clear()
    for kill in range(KILLS):
        number = SIGNALS[(chain + kill) % 3]
        working = kill % 2 == 0
        victim.kill_after(number, rng.random() * (0.1 if working else seconds), working=working)
    victim.finish()
    intact(victim, expected)


def cases(points: Sequence[str]) -> list[tuple[str, str, signal.Signals]]:
    """Return what to try: in full, every point with every signal; in short, every third point, signals and arms in turn."""
    found = []
    for place, point in enumerate(points):
        for turn, number in enumerate(SIGNALS):
            arms = ("tcs_phi4",) if point.startswith("call") else ARMS
            found.append((point, arms[(place + turn) % len(arms)], number))
    return found if FULL else [case for case in found if case[1] in ARMS[:2]][::7]


@pytest.mark.parametrize(("point", "arm", "number"), cases(list(POINTS)))
def test_killed_at_a_named_point_a_study_ends_as_one_that_was_not(
    make: Make, whole: Whole, point: str, arm: str, number: signal.Signals
) -> None:
    victim = make(arm)
    # A command has one plan; of its two cells each has one beginning and one end, and of its twelve trials each has the rest.
    once, twice = point.startswith("plan"), point.startswith(("manifest", "lock", "end"))
    victim.kill_at(point, number, 1 if once else 2 if twice else 5)
    victim.finish()
    intact(victim, whole(arm)[0])


@pytest.mark.parametrize(("point", "arm", "number"), cases(list(WANDB_POINTS)) if FULL else [])
def test_killed_around_w_and_b_a_study_ends_as_one_that_was_not_and_has_one_whole_run_a_cell(
    make: Make, whole: Whole, point: str, arm: str, number: signal.Signals
) -> None:
    victim = make(arm, "tracking=wandb_offline")
    victim.kill_at(point, number, 5 if "trial" in point else 1)
    victim.finish()
    assert records(victim.study) == whole(arm)[0]
    runs = [path.name.split("-", 3)[3] for path in (victim.study / "wandb").glob("offline-run-*")]
    assert len(runs) == len(set(runs)) == 2
