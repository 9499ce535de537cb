"""`python -m harness.probe` as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from conftest import Cli
from support.reader import Reader

from harness.llm.backend import Reply, Request
from harness.llm.calls import read_calls
from harness.probe.request import TEXT
from harness.store.codec import json_line, with_checksum

ARM = "tcs_blind"
FEW = ("--changes", "status,phase")

MISTAKES = {
    "read --states 0": "--states 0: give a number from 1 to 10000",
    "read --repeats 1": "--repeats 1: give a number from 2 to 10000",
    "read --sates 3": "--sates: there is no such flag here; did you mean '--states'?",
    "read --states": "argument --states: expected one argument (python -m harness.probe --help)",
    "--states 3": "which study? python -m harness.probe STUDY",
    "read other": "one study at a time, not read, other",
    "raed": "there is no study 'raed' (neither a folder, nor in runs/); did you mean 'read'?",
    "read budget=3": "budget=3: only settings of the LLM can differ from the record (llm=..., llm.KEY=...)",
    "read --arm tcs_blnid": "--arm tcs_blnid: the study has no such arm; did you mean 'tcs_blind'?",
    "read --arm random": "--arm random: is none that the agent asks with a summary of the trials (context tcs); there is: tcs_blind",
    "read --task digits": "--task digits: the study has no such task; there is: toy",
    "read --changes stauts": "--changes stauts: there is no such change; did you mean 'status'?",
    "read llm.base_ulr=x": "llm.base_ulr=x: no such setting; did you mean 'base_url'?",
    "read llm.max_tokens=many": "llm.max_tokens: Value 'many' of type 'str' could not be converted to Integer",
    "read llm=phi5": "llm=phi5: there is no llm of that name in conf/llm; did you mean 'phi4'?",
    "read --show": "runs/read/probe/tcs_blind: holds no answer to these questions; leave out --show to ask them",
}


def test_a_mistake_is_one_line_with_status_2_and_writes_nothing(probe: Cli, cli: Cli, study: Path) -> None:
    cli("task=toy", "optimizer=random", "budget=2", "tracking=off", "progress=off", "study=read")
    for command, line in MISTAKES.items():
        ran = probe(*command.split())
        assert (ran.status, ran.out) == (2, ""), command
        assert ran.line.startswith(f"harness.probe: {line}"), ran.line
    assert not (study / "probe").exists()


@pytest.mark.full
def test_a_study_without_such_an_arm_is_refused(probe: Cli, cli: Cli) -> None:
    cli("task=toy", "optimizer=random", "budget=2", "tracking=off", "progress=off", "study=plain")
    assert "holds no trials of an arm that the agent asks with a summary of the trials" in probe("plain").line
    cli("task=toy", "optimizer=tcs", "llm._target_=support.reader.Reader", "budget=2", "tracking=off", "study=short")
    assert "has no state to probe: a trial that the LLM proposed after two trials with different scores" in probe("short").line


def test_the_help_fits_a_terminal(probe: Cli) -> None:
    assert probe("--help").out == probe().out == TEXT
    assert max(map(len, TEXT.splitlines())) <= 80


def table(study: Path, key: str) -> dict[str, dict[str, str]]:
    """Return the rows of a table of the page, by change."""
    with (study / "probe" / ARM / "csv" / f"probe_{key}.csv").open(encoding="utf-8") as file:
        return {row["change"]: row for row in csv.DictReader(file)}


def cells(study: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in study.rglob("*") if path.is_file() and "probe" not in path.parts}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_model_that_reads_one_block_is_seen_to_read_that_block_and_no_cell_changes(probe: Cli, study: Path) -> None:
    before, folder = cells(study), study / "probe" / ARM
    ran = probe("read", "llm.model=reader", *FEW)
    assert ran.status == 0, ran.err
    assert cells(study) == before
    assert max(map(len, ran.out.splitlines())) <= 80
    said = " ".join(ran.out.split())
    assert "Does the model read it? Yes, in part. The proposal moves with status: best trial, of 2 changed facts" in said
    assert "35 questions, 35 calls to reader: about " in ran.err
    far = table(study, "far")
    assert float(far["status.best"]["difference_low95"]) > 0
    # The reader's own draws do not depend on what it does not look at: nothing moves at one seed.
    same = table(study, "same_seed")
    assert float(same["phase.mode"]["moved_changed"]) == float(same["phase.mode"]["distance_changed"]) == 0.0
    along = table(study, "direction")
    assert float(along["status.best"]["along_low95"]) > 0
    assert float(along["phase.mode"]["along"]) == 0.0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Does the model read it?" in page
    assert "- incumbent: trial" in page
    assert "worded otherwise" not in page
    assert "the recorded trials were proposed by blind, and reader was asked now" in page
    assert "**How often the proposal moves**" in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.full
def test_a_model_that_reads_nothing_is_not_seen_to_read(probe: Cli, study: Path) -> None:
    said = " ".join(probe("read", *FEW).out.split())
    assert "Does the model read it? Not seen. None of 2 changed facts moves the proposal" in said
    assert {float(row["distance_changed"]) for row in table(study, "same_seed").values()} == {0.0}


def test_the_first_question_is_the_recorded_one(probe: Cli, study: Path) -> None:
    probe("read", "--states", "1", "--changes", "phase")
    (recorded,) = study.glob("toy/*/*/calls.jsonl")
    first = next(iter(read_calls(study / "probe" / ARM / "calls.jsonl")))
    assert (first.trial, first.call) in {(call.trial, call.call) for call in read_calls(recorded) if call.key == first.key}


def test_a_stop_loses_no_answer_and_the_same_command_goes_on(probe: Cli, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered, complete = [0], Reader.complete

    def stopped(self: Reader, request: Request) -> Reply:
        if answered[0] == 4:
            raise KeyboardInterrupt
        answered[0] += 1
        return complete(self, request)

    monkeypatch.setattr(Reader, "complete", stopped)
    first = probe("read", "--states", "2", *FEW)
    assert first.status == 130
    assert first.err.splitlines()[-1].startswith("harness.probe: stopped; the same command goes on from here")
    folder = study / "probe" / ARM
    assert [len(lines(folder / name)) for name in ("answers.jsonl", "calls.jsonl")] == [4, 4]
    shown = " ".join(probe("read", "--states", "2", "--show", *FEW).out.split())
    assert "! 2 of 2 states are not answered in full, and left out" in shown
    monkeypatch.setattr(Reader, "complete", complete)
    assert "10 questions, 10 calls to blind" in probe("read", "--states", "2", *FEW).err
    again = probe("read", "--states", "2", *FEW)
    assert (again.status, again.err) == (0, "")
    assert len(lines(folder / "answers.jsonl")) == 14
    # With the calls alone, as after a kill between a reply and its answer, nothing is asked anew either.
    (folder / "answers.jsonl").unlink()
    monkeypatch.setattr(Reader, "complete", stopped)
    assert probe("read", "--states", "2", *FEW).out == again.out
    assert len(lines(folder / "calls.jsonl")) == 14


@pytest.mark.full
def test_a_replay_of_the_probe_gives_the_same_page(probe: Cli, study: Path) -> None:
    live = probe("read", "--states", "2", *FEW)
    (study / "probe").rename("kept")
    replayed = probe("read", "--states", "2", "llm.replay=kept", *FEW)
    assert (replayed.status, replayed.out) == (0, live.out)


@pytest.mark.full
def test_other_weights_are_refused(probe: Cli, study: Path) -> None:
    probe("read", "--states", "1", *FEW)
    folder = study / "probe" / ARM
    rows = lines(folder / "calls.jsonl")
    for row in rows:
        del row["crc32"]
        row["reply"]["facts"]["model"] = "another"  # type: ignore[index]
    (folder / "calls.jsonl").write_text("".join(f"{with_checksum(json_line(row))}\n" for row in rows))
    ran = probe("read", "--states", "2", *FEW)
    assert ran.status == 2
    assert "other weights answer than before: move runs/read/probe/tcs_blind away" in ran.err.splitlines()[-1]


@pytest.mark.full
def test_a_damaged_answer_is_one_line(probe: Cli, study: Path) -> None:
    probe("read", "--states", "1", *FEW)
    path = study / "probe" / ARM / "answers.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"draw":0', b'"draw":7', 1))
    ran = probe("read", "--states", "1", *FEW)
    assert (ran.status, ran.out) == (2, "")
    assert "answers.jsonl, line 1: damaged: it was changed after it was written" in ran.line
