"""A server with every fault of the list: the study ends, or stops cleanly and goes on, and the report counts each fault."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.cells import cells_of
from torture.size import FULL, scaled

from harness.cell import Cell
from harness.config.values import Settings
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.write import write_report
from harness.report.sources.records import read_study
from harness.run.study import add_to_plan, run_cells
from harness.store.cell_folder import CALLS, SUMMARY
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import BROKEN_OFF, REPLIES, SERVER, TRANSPORT, WRAPPED, Script

TIMEOUT_SECONDS = scaled(1, 5)
UNPARSED = ("invalid_json", "cut_json", "not_finite", "empty", "think_only", "chatter", "not_an_object", "aborted")
INVALID = ("out_of_range", "missing_key", "extra_key", "wrong_type")
# What a kept record says of a call that was lost. A reset, a cut and a server that goes away look alike from here.
LOST = {
    ("reset", "cut", "refuse"): "dropped the connection",
    ("hang", "drip"): "gave no complete answer within",
    ("error",): "500 llama runner process has terminated",
    ("busy",): "503 server busy",
    ("rate_limit",): "429 too many requests",
    ("quota",): "429 you have reached your weekly usage limit",
    ("out_of_memory",): "500 model requires more system memory",
    ("not_json",): "does not speak Ollama's JSON",
    ("truncated",): "did not see the whole prompt",
}
# What ends a launch, and makes no record: nothing was answered.
STOPS = {"not_pulled": "has no model", "unauthorized": "refuses the key", "too_long": "refuses the prompt"}
EVERY = (*TRANSPORT, *REPLIES, *WRAPPED, *SERVER, *BROKEN_OFF)
SLOW = ("hang", "drip")


def test_the_fault_list_is_covered() -> None:
    accounted = {*itertools.chain(*LOST), *STOPS, *UNPARSED, *INVALID, "repeat", *WRAPPED}
    assert accounted == set(EVERY)


def steps(kinds: list[str]) -> list[dict[str, Any]]:
    seconds = {"refuse": 0.1, **dict.fromkeys(SLOW, 4.0 * TIMEOUT_SECONDS)}
    return [{"do": kind, "seconds": seconds.get(kind, 0.3)} for kind in kinds]


def script() -> Script:
    """In full: a third of all calls at random. In short: every fault once, after a valid reply."""
    if FULL:
        return Script.random(5, 0.34, steps([kind for kind in EVERY for _ in range(1 if kind in SLOW else 4)]))
    kinds = list(EVERY)
    random.Random(4).shuffle(kinds)
    return Script.of(*steps([entry for kind in kinds for entry in ("valid", kind)]))


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OllamaDouble, Path, Counter[str]]]:
    """A study that came to its end against such a server, and how often it stopped for what."""
    out = tmp_path_factory.mktemp("chaos")
    with OllamaDouble(script()) as double:
        llm = (f"llm.base_url={double.url}", f"llm.timeout_seconds={TIMEOUT_SECONDS}", "llm.first_wait_seconds=0.01")
        size = (f"seeds={scaled(1, 50)}", f"budget={scaled(40, 20)}", "llm.longest_wait_seconds=0.05")
        cells, settings = cells_of(out, "optimizer=tcs_phi4", *llm, *size)
        add_to_plan(out / "main", cells)
        stops: Counter[str] = Counter()
        for cell in cells:
            double._earlier.clear()  # a repeat is one of the cell's own
            stops += complete(cell, settings, out / "main")
        yield double, out / "main", stops


def complete(cell: Cell, settings: Settings, study: Path) -> Counter[str]:
    """Launch a cell until it is done; return what stopped it meanwhile, each in one line that says what to do."""
    stops: Counter[str] = Counter()
    for _ in range(100):
        result = run_cells([cell], settings)
        lines = (*result.failed, *result.blocked)
        if result.done:
            assert (study / cell.folder / SUMMARY).exists()
            assert not lines
            return stops
        (line,) = lines
        assert "\n" not in line
        assert "Traceback" not in line
        known = [kind for kind, words in {**STOPS, "truncated": "did not see the whole prompt"}.items() if words in line]
        stops[known[0] if known else "gave up"] += 1
        assert known or any(words in line for words in (*LOST.values(), "No Ollama at")), line
    raise AssertionError("it never ends")


def test_the_study_is_complete_and_every_stop_had_its_fault(chaos: tuple[OllamaDouble, Path, Counter[str]]) -> None:
    double, study, stops = chaos
    assert sum(len((path.parent / "trials.jsonl").read_text().splitlines()) for path in study.rglob(SUMMARY)) == scaled(40, 1000)
    for kind in (*STOPS, "truncated"):
        assert stops[kind] == double.injected[kind], kind
        assert double.injected[kind] > 0
    assert min(double.injected[kind] for kind in EVERY) > 0


def test_every_lost_call_is_on_record_under_its_kind(chaos: tuple[OllamaDouble, Path, Counter[str]]) -> None:
    double, study, _ = chaos
    rows = [json.loads(line) for path in study.rglob(CALLS) for line in path.read_text().splitlines()]
    errors = [row["error"] for row in rows if row.get("error")]
    for kinds, words in LOST.items():
        assert sum(words in error for error in errors) == sum(double.injected[kind] for kind in kinds), kinds
    # While it was away, it could not count who knocked.
    others = [error for error in errors if not any(words in error for words in LOST.values())]
    assert all("No Ollama at" in error for error in others)
    assert sum("reply" in row and not row.get("error") for row in rows) == double.answered + sum(
        double.injected[kind] for kind in (*REPLIES, *WRAPPED, *BROKEN_OFF)
    )


def test_the_report_s_funnel_and_provenance_count_the_faults_that_were_injected(
    chaos: tuple[OllamaDouble, Path, Counter[str]], tmp_path: Path
) -> None:
    double, study, _ = chaos

    def injected(*kinds: str) -> int:
        return sum(double.injected[kind] for kind in kinds)

    data = read_study(study)
    assert data.problems == ()
    write_report(build_report(find(data, Options(resamples=200))), tmp_path)
    funnel = pd.read_csv(tmp_path / "csv" / "funnel.csv").iloc[0]
    answered = double.answered + injected(*REPLIES, *WRAPPED, *BROKEN_OFF)
    assert funnel["answered"] == answered
    assert funnel["parsed"] == answered - injected(*UNPARSED)
    assert funnel["valid"] == answered - injected(*UNPARSED, *INVALID)
    assert funnel["new"] == answered - injected(*UNPARSED, *INVALID, "repeat")
    cells = pd.read_csv(tmp_path / "csv" / "provenance.csv")
    sources = cells[["trials", "default", "optimizer", "llm", "retry", "fallback"]].sum()
    assert sources["trials"] == scaled(40, 1000)
    assert sources["default"] == sources["optimizer"] == 0
    assert sources["llm"] + sources["retry"] == funnel["new"]
    assert sources["llm"] + sources["retry"] + sources["fallback"] == sources["trials"]
    # A bad reply is asked again, but for the last of three: a draw takes its place.
    asked_again = sum(
        int(t.proposal.source.rpartition("-")[2]) for c in data.cells for t in c.trials if "retry" in t.proposal.source
    )
    assert asked_again + 3 * sources["fallback"] == injected(*REPLIES, *BROKEN_OFF)
