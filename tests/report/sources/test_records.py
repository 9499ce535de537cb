"""Records that are cut short, damaged, foreign or from the future: each is one line, and the rest of the study is reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cells import cells_of

from harness.errors import RecordError
from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.sources.records import read_study
from harness.report.study_data import CellData, State, StudyData
from harness.run.study import add_to_plan, run_cells
from harness.store.cell_folder import read_json
from harness.store.codec import CHECKSUM, with_checksum
from harness.store.files import write_json
from harness.store.lines import append_lines
from harness.store.plan import BLOCKED, PLAN, read_plan


@pytest.fixture
def study(synthetic_folder: Path, tmp_path: Path) -> Path:
    """A copy of the synthetic study to damage."""
    return Path(shutil.copytree(synthetic_folder, tmp_path / "study"))


def one_cell(study: Path, arm: str = "random") -> Path:
    """Return the folder of one of its cells."""
    return study / next(entry.folder for entry in read_plan(study) if entry.arm == arm)


def the_cell(data: StudyData, folder: Path) -> CellData:
    return next(cell for cell in data.cells if cell.folder.endswith(folder.name) and folder.parent.name == cell.arm)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def edit(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    data = read_json(path)
    change(data)
    write_json(path, data)


def edit_line(path: Path, number: int, change: Callable[[dict[str, object]], None]) -> None:
    lines = path.read_text().splitlines()
    row = json.loads(lines[number])
    row.pop(CHECKSUM, None)
    change(row)
    lines[number] = with_checksum(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")


def test_an_intact_study_is_read_without_a_message(synthetic_folder: Path) -> None:
    data = read_study(synthetic_folder)
    assert len(data.cells) == 8 * 3 * 3
    assert {cell.state for cell in data.cells} == {State.DONE}
    assert data.problems == ()
    assert any(cell.calls for cell in data.cells)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "trials cut in the middle": (
        lambda cell: (cell / "trials.jsonl").write_bytes((cell / "trials.jsonl").read_bytes()[:3000]),
        "trials.jsonl: holds",
    ),
    "a line that is no JSON": (
        lambda cell: (cell / "trials.jsonl").write_text("{nonsense\n" + (cell / "trials.jsonl").read_text()),
        "trials.jsonl, line 1: not JSON",
    ),
    "a foreign line": (lambda cell: append(cell / "trials.jsonl", '{"loss": 3}\n'), "trials.jsonl, line 11: not a trial record"),
    "bytes that are no text": (
        lambda cell: (cell / "trials.jsonl").write_bytes(b"\xff\xfe\x00\n" + (cell / "trials.jsonl").read_bytes()),
        "trials.jsonl, line 1: not JSON",
    ),
    "nesting without end": (lambda cell: append(cell / "trials.jsonl", "[" * 100_000 + "\n"), "trials.jsonl, line 11: not JSON"),
    "a trial of another version": (
        lambda cell: edit_line(cell / "trials.jsonl", 2, lambda row: row.update(schema=99)),
        "trials.jsonl, line 3: written by another version (schema 99, this one reads 1)",
    ),
    "a damaged trial": (
        lambda cell: edit_line(cell / "trials.jsonl", 0, lambda row: row.update(status="splendid")),
        "trials.jsonl, line 1: damaged trial record (ValueError: 'splendid' is not a valid Status)",
    ),
    "a trial twice": (
        lambda cell: append(cell / "trials.jsonl", (cell / "trials.jsonl").read_text().splitlines()[-1] + "\n"),
        "trials.jsonl, line 11: holds trial 10",
    ),
    "a manifest that is no JSON": (lambda cell: (cell / "manifest.json").write_text("{"), "manifest.json: cannot be read"),
    "no manifest": (lambda cell: (cell / "manifest.json").unlink(), "manifest.json: is missing"),
    "a foreign manifest": (
        lambda cell: write_json(cell / "manifest.json", {"mine": 1}),
        "manifest.json: not a manifest of this harness",
    ),
    "a manifest without its checksum": (
        lambda cell: (cell / "manifest.json").write_text("{}"),
        "manifest.json: damaged, or not written by this harness (it has no checksum)",
    ),
    "a manifest of another version": (
        lambda cell: edit(cell / "manifest.json", lambda data: data.update(schema=7)),
        "manifest.json: written by another version (schema 7",
    ),
    "another cell's manifest": (
        lambda cell: edit(cell / "manifest.json", lambda data: data.update(cell="0" * 16)),
        "manifest.json: belongs to another cell",
    ),
    "a summary that is no JSON": (lambda cell: (cell / "summary.json").write_text("]"), "summary.json: cannot be read"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_cell_is_one_line_and_the_rest_is_reported(study: Path, kind: str) -> None:
    damage, message = DAMAGE[kind]
    cell = one_cell(study)
    damage(cell)
    data = read_study(study)
    (line,) = data.problems
    assert message in line
    assert cell.name in line
    assert "\n" not in line
    assert str(study) not in line
    assert the_cell(data, cell).state is State.UNREADABLE
    assert sum(c.state is State.DONE for c in data.cells) == len(data.cells) - 1
    assert build_report(find(data, Options(resamples=200))).sections


def test_calls_that_cannot_be_read_are_one_line(study: Path) -> None:
    cell = one_cell(study, "tcs_phi4")
    append(cell / "calls.jsonl", '{"schema": 9}\n')
    data = read_study(study)
    assert "written by another version (schema 9" in data.problems[0]
    assert the_cell(data, cell).state is State.UNREADABLE


def test_a_last_line_that_is_cut_short_is_left_out(study: Path) -> None:
    cell = one_cell(study)
    (cell / "summary.json").unlink()
    append(cell / "trials.jsonl", '{"schema": 1, "tri')
    data = read_study(study)
    assert data.problems == ()
    assert the_cell(data, cell).state is State.UNFINISHED
    assert the_cell(data, cell).reason == "broken off, or running, after 10 of 10 trials"


def test_a_failed_cell_says_why(study: Path) -> None:
    cell = one_cell(study)
    (cell / "summary.json").unlink()
    write_json(cell / "failure.json", {"error": "RuntimeError: no luck", "trials": 10})
    found = the_cell(read_study(study), cell)
    assert (found.state, found.reason) == (State.FAILED, "RuntimeError: no luck")


def test_a_planned_cell_without_a_folder_was_never_started(study: Path) -> None:
    cell = one_cell(study)
    shutil.rmtree(cell)
    assert the_cell(read_study(study), cell).state is State.NEVER


def test_the_last_word_on_a_blocked_cell_counts_unless_it_is_done(study: Path) -> None:
    cell, done = one_cell(study), one_cell(study, "gpt4")
    ids = {read_json(folder / "manifest.json")["cell"]: folder for folder in (cell, done)}
    shutil.rmtree(cell)
    rows = [
        {"cell": i, "task": "t", "arm": "a", "seed": 0, "reason": why, "fix": "run it"}
        for why in ("no key", "no server")
        for i in ids
    ]
    append_lines(study / BLOCKED, rows)
    data = read_study(study)
    found = the_cell(data, cell)
    assert (found.state, found.reason, found.fix) == (State.BLOCKED, "no server", "run it")
    assert the_cell(data, done).state is State.DONE


def test_a_plan_with_a_damaged_line_costs_that_line_only(study: Path) -> None:
    append(study / PLAN, with_checksum('{"task": "x"}') + "\nnot json\n[1]\n")
    data = read_study(study)
    assert len(data.problems) == 3
    assert all(line.startswith(f"{PLAN}, line 7") for line in data.problems)
    assert len(data.cells) == 72


def test_without_a_plan_the_cells_that_lie_there_are_read(study: Path) -> None:
    (study / PLAN).unlink()
    data = read_study(study)
    assert f"{PLAN}: is missing" in data.problems[0]
    assert sum(cell.state is State.DONE for cell in data.cells) == 72


def test_a_foreign_folder_is_named(study: Path) -> None:
    foreign = study / "vision" / "mine" / "seed0-x"
    foreign.mkdir(parents=True)
    write_json(foreign / "manifest.json", {"schema": 1, "hello": 1})
    data = read_study(study)
    assert data.problems == ("vision/mine/seed0-x: not a cell of this harness (KeyError: 'identity')",)


def test_a_second_cell_for_the_same_seed_is_left_out_and_named(study: Path) -> None:
    cell = one_cell(study)
    shutil.copytree(cell, cell.with_name(f"{cell.name}-copy"))
    data = read_study(study)
    assert "left out, since the plan has another cell" in data.problems[0]
    assert len(data.cells) == 72


def test_a_folder_without_a_study_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no study there"):
        read_study(tmp_path)


def test_a_cell_read_in_full_has_its_curves_and_texts(synthetic_folder: Path) -> None:
    data = read_study(synthetic_folder)
    cell = next(cell for cell in data.cells if cell.arm == "tcs_phi4")
    assert not cell.trials[0].outcome.curve
    full = data.in_full(cell)
    assert len(full.trials[1].outcome.curve) in (3, 12)
    assert full.calls[0].reply
    assert full.calls[0].messages
    assert [trial.score for trial in full.trials] == [trial.score for trial in cell.trials]


def test_the_cell_that_was_planned_last_counts_and_one_that_never_began_is_nobody_s(tmp_path: Path) -> None:
    (wrong,), settings = cells_of(tmp_path, "task.params.epochs=5", "budget=2", "task._target_=harness.tasks.toy.Toi")
    add_to_plan(tmp_path / "main", [wrong])
    assert run_cells([wrong], settings).refused
    (right,), settings = cells_of(tmp_path, "task.params.epochs=5", "budget=2")
    add_to_plan(tmp_path / "main", [right])
    for _ in range(2):
        data = read_study(tmp_path / "main")
        assert [cell.cell for cell in data.cells] == [right.id]
        assert data.problems == ()
        run_cells([right], settings)
    assert data.cells[0].state is State.DONE
