"""Sixteen open cells that are killed at any moment go on to what one cell after the other would give; no answer is paid for twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.commands import records
from torture.conftest import Zygote, group_is_gone
from torture.size import scaled

from harness.llm.calls import CallRecord, read_calls
from harness.report.sources.records import read_study
from harness.store.cell_folder import CALLS, TRIALS
from harness.testing.servers.ollama_api import OllamaDouble

CELLS, BUDGET = 16, scaled(2, 6)
SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
ENDED = {signal.SIGKILL: {-9, 0}, signal.SIGTERM: {143, -15, 0}, signal.SIGINT: {130, -2, 0}}


def command(double: OllamaDouble, connections: int) -> tuple[str, ...]:
    asked = ("task=digits", "optimizer=tcs_phi4", "evaluator=table", f"seeds={CELLS}", f"budget={BUDGET}", "tracking=off")
    return (*asked, "progress=off", f"llm.base_url={double.url}", f"llm.connections={connections}")


@pytest.fixture(scope="module")
def double() -> Iterator[OllamaDouble]:
    with OllamaDouble() as made:
        yield made


@pytest.fixture(scope="module")
def whole(zygote: Zygote, double: OllamaDouble, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the records of one cell after the other, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    status, output = zygote.run(command(double, 1), folder)
    assert status == 0, output
    return records(folder / "runs" / "main")


@pytest.mark.parametrize("chain", range(scaled(1, 25)))
def test_sixteen_open_cells_killed_at_random_moments_end_as_one_after_the_other(
    zygote: Zygote, double: OllamaDouble, whole: Any, tmp_path: Path, chain: int
) -> None:
    rng, argv, study = random.Random(chain), command(double, CELLS), tmp_path / "runs" / "main"
    double.received.clear()
    double.seconds = 0.05  # so that all sixteen cells wait for an answer at a time
    paid: list[tuple[int, set[tuple[str, int]]]] = []
    kills = scaled(2, 5)
    for kill in range(kills):
        number = SIGNALS[(chain + kill) % 3]
        before = progress(study)
        pid = zygote.start(argv, tmp_path)
        deadline = time.monotonic() + 20
        while progress(study) == before and not all_done(study) and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.1)
        os.kill(pid, number)
        assert zygote.wait(pid) in ENDED[number], (tmp_path / "output.txt").read_text()
        assert group_is_gone(pid)
        paid.append((len(double.received), {asked(call) for call in answered(study)}))
    double.seconds = 0.0
    status, output = zygote.run(argv, tmp_path)
    assert (status, "busy" in output, "Traceback" in output) == (0, False, False), output
    assert records(study) == whole
    assert read_study(study).problems == ()
    assert {str(cell.state) for cell in read_study(study).cells} == {"done"}
    calls = [(n, of_body(one.body)) for n, one in enumerate(double.received) if one.path == "/api/chat" and one.body]
    for seen, known in paid:
        assert not [call for n, call in calls if n >= seen and call in known], "a recorded answer was asked for again"
    assert sum(count - 1 for count in Counter(call for _, call in calls).values()) <= kills * CELLS


def progress(study: Path) -> int:
    """Return how much is on the disk."""
    return sum(path.stat().st_size for name in (TRIALS, CALLS) for path in study.rglob(name))


def all_done(study: Path) -> bool:
    return len(list(study.rglob("summary.json"))) == CELLS


def answered(study: Path) -> list[CallRecord]:
    return [call for path in study.rglob(CALLS) for call in read_calls(path) if call.reply is not None]


def asked(call: CallRecord) -> tuple[str, int]:
    return str([message.content for message in call.messages]), int(call.decoding["seed"])


def of_body(body: Any) -> tuple[str, int]:
    return str([message["content"] for message in body["messages"]]), int(body["options"]["seed"])
