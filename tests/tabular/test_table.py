from __future__ import annotations

import math
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.config.settings import task_spec
from harness.errors import RecordError, SettingsError
from harness.seeding import keyed_random
from harness.tabular.grid import Grid
from harness.tabular.header import MEMBER, Header, Subject, grid_space, read_header
from harness.tabular.journal import Entry
from harness.tabular.table import Table, read_table, write_table
from harness.task import TableSpec, TaskSpec
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Crash, Epoch, Outcome, Status

SIGNATURE = {"torch": "1.0"}


def spec(clock: str = "wall") -> TaskSpec:
    toy = task_spec(Path(__file__).parents[2] / "conf" / "task" / "toy.yaml")
    return replace(toy, table=TableSpec({"learning_rate": 6, "momentum": 3}, 2, clock))


def entries_of(settings: TaskSpec) -> dict[tuple[int, int], Entry]:
    """Train the toy's whole grid, and add what the toy does not do: crash, and end before the first epoch."""
    grid, trainer = Grid(grid_space(settings), settings.space), InProcess(build_task(settings))
    made = {
        (i, seed): Entry(i, seed, trainer.train(grid.complete(config), seed=seed), 0.25 + i)
        for i, config in enumerate(grid.configs)
        for seed in range(2)
    }
    odd = (Epoch(1 / 3, math.inf, 2 / 3, -0.0, 0.1), Epoch(math.nan, math.nan, math.nan, 1e-310, 5e-324))
    made[0, 0] = replace(
        made[0, 0],
        outcome=Outcome.failed(Status.CRASHED, "KeyError: 'µ'", tuple(replace(e, number=n) for n, e in enumerate(odd, 1)), 2.0),
    )
    made[1, 1] = replace(made[1, 1], outcome=Outcome.failed(Status.CRASHED, "died", (), 2.0))
    return made


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[int, int], Entry]]:
    path, settings = tmp_path_factory.mktemp("tables") / "toy.npz", spec()
    entries = entries_of(settings)
    write_table(path, Subject.of(settings), entries, SIGNATURE)
    return path, entries


def as_recorded(entry: Entry) -> str:
    seconds = round(float(np.float32(entry.outcome.seconds)), 6)
    # Through text, in which a NaN equals itself and -0.0 differs from 0.0.
    return repr(replace(entry.outcome, seconds=seconds))


def test_every_outcome_comes_back_to_the_last_bit(written: tuple[Path, dict[tuple[int, int], Entry]]) -> None:
    path, entries = written
    table = read_table(path)
    statuses = {table.outcome(*place).status for place in entries}
    assert statuses == {Status.OK, Status.DIVERGED, Status.CRASHED}
    for place, entry in entries.items():
        assert repr(table.outcome(*place)) == as_recorded(entry)


def test_where_a_training_raised_comes_back_and_changes_no_checksum(tmp_path: Path) -> None:
    settings = spec()
    entries = entries_of(settings)
    before = write_table(tmp_path / "before.npz", Subject.of(settings), entries, SIGNATURE)
    crash = Crash("mine.py:3", "Traceback\n  ...")
    entries[1, 1] = replace(entries[1, 1], outcome=replace(entries[1, 1].outcome, crash=crash))
    after = write_table(tmp_path / "after.npz", Subject.of(settings), entries, SIGNATURE)
    assert after.checksum == before.checksum
    assert read_table(tmp_path / "after.npz").outcome(1, 1).crash == crash
    assert read_table(tmp_path / "before.npz").outcome(1, 1).crash is None
    assert "crashes" not in before.to_json()


def test_the_best_of_the_grid_is_known_for_each_training_seed(written: tuple[Path, dict[tuple[int, int], Entry]]) -> None:
    path, entries = written
    for seed, best in read_header(path).best_val_score_pct.items():
        scores = [e.outcome.val_score_pct for e in entries.values() if e.seed == int(seed) and e.outcome.val_score_pct is not None]
        assert best == max(scores)


def test_the_clock_says_which_seconds_count(tmp_path: Path) -> None:
    settings = spec("cpu")
    write_table(tmp_path / "toy.npz", Subject.of(settings), entries_of(settings), SIGNATURE)
    assert read_table(tmp_path / "toy.npz").outcome(7, 1).seconds == 7.25


def test_the_same_trainings_make_the_same_file_and_others_another_checksum(tmp_path: Path) -> None:
    settings, subject = spec(), Subject.of(spec())
    entries = entries_of(settings)
    first = write_table(tmp_path / "a.npz", subject, entries, SIGNATURE)
    assert write_table(tmp_path / "b.npz", subject, dict(reversed(entries.items())), {"torch": "2.0"}).checksum == first.checksum
    assert (tmp_path / "a.npz").read_bytes() == rewritten(tmp_path, subject, entries)
    entries[3, 1] = replace(entries[3, 1], cpu_seconds=9.0)
    assert write_table(tmp_path / "c.npz", subject, entries, SIGNATURE).checksum != first.checksum


def rewritten(folder: Path, subject: Subject, entries: Mapping[tuple[int, int], Entry]) -> bytes:
    write_table(folder / "again.npz", subject, entries, SIGNATURE)
    return (folder / "again.npz").read_bytes()


def test_a_changed_number_and_a_flipped_bit_are_found(written: tuple[Path, Any], tmp_path: Path) -> None:
    whole = written[0].read_bytes()
    changed = tmp_path / "changed.npz"
    with zipfile.ZipFile(written[0]) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            body = bytearray(old.read(name))
            if name == "curve_val_score_pct.npy":
                body[-1] ^= 1
            new.writestr(name, bytes(body))
    with pytest.raises(RecordError, match=r"changed\.npz: damaged: its SHA-256 is"):
        read_table(changed)
    rng = keyed_random(0, "flips")
    for number in range(40):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path = tmp_path / f"{number}.npz"
        path.write_bytes(flipped)
        problem = problem_with(path, read_table(written[0]))
        assert problem is None or (problem.startswith(f"{path}: ") and "\n" not in problem)


def problem_with(path: Path, intact: Table) -> str | None:
    """Return why a file is refused, or None where it is read as what it was: some bits of a zip decide nothing, such as a date's."""
    try:
        table = read_table(path)
    except RecordError as error:
        return str(error)
    assert table.header == intact.header
    return None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_was_cut_short_is_refused_in_one_line(written: tuple[Path, Any], tmp_path: Path, share: float) -> None:
    whole = written[0].read_bytes()
    path = tmp_path / "short.npz"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(RecordError, match=r"short\.npz: not a table, or damaged"):
        read_table(path)


def test_a_table_of_another_version_says_so(written: tuple[Path, Any]) -> None:
    newer = replace(read_header(written[0]), schema=2).to_json().encode()
    with pytest.raises(RecordError, match="another version"):
        Header.from_json(newer, "there")


def test_a_header_is_read_without_numpy(written: tuple[Path, Any]) -> None:
    program = (
        "import sys; from pathlib import Path; from harness.tabular.header import read_header; "
        "print(read_header(Path(sys.argv[1])).configs, 'numpy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(written[0])], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["18", "False"]


def test_a_measure_that_some_epochs_leave_out_is_refused(tmp_path: Path) -> None:
    entries = entries_of(spec())
    bare = Outcome.of_curve((Epoch(50.0, number=1),), 1.0)
    entries[4, 0] = replace(entries[4, 0], outcome=bare)
    with pytest.raises(SettingsError, match="some of its epochs have a val_loss and some have not"):
        write_table(tmp_path / "toy.npz", Subject.of(spec()), entries, SIGNATURE)


def test_the_header_is_a_readable_member_of_the_file(written: tuple[Path, Any]) -> None:
    with zipfile.ZipFile(written[0]) as file:
        assert file.read(MEMBER).startswith(b'{\n "subject"')
        assert {"status.npy", "epochs.npy", "cpu_seconds.npy", "curve_test_score_pct.npy"} < set(file.namelist())
