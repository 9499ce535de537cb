from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from support.cells import cells_of
from support.commands import FAULTY, environment
from support.values import trial

from harness.cell import Cell
from harness.cli.progress import SHOWN_CELLS, SHOWN_ENDED, LiveView, PlainView, watch
from harness.cli.watched import Tally, Watched
from harness.config.values import Settings
from harness.console import duration, say
from harness.run.study import run_cells
from harness.store.cell_folder import CellFolder


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (100 * 3600, "100 h 0 min"),
    ],
)
def test_a_duration_is_written_in_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def watched(tmp_path: Path, *overrides: str) -> tuple[list[Cell], Settings, list[Watched]]:
    cells, settings = cells_of(tmp_path, *overrides)
    return cells, settings, [Watched(cell, tmp_path / "main" / cell.folder) for cell in cells]


def test_a_cell_is_followed_from_its_folder_alone(tmp_path: Path) -> None:
    (cell,), settings, (seen,) = watched(tmp_path, "budget=4")
    assert not seen.read()
    assert (seen.label, seen.best_text, seen.seen.count) == ("toy random seed 0", "no score yet", 0)
    with CellFolder(seen.path, cell.manifest(settings.recorded, {})) as folder:
        folder.append(trial(1, None))
        assert not seen.read()
        assert (seen.seen.count, seen.best_text) == (1, "no score yet")
        folder.append(trial(2, -40.0))
        folder.append(trial(3, -60.0))
        assert not seen.read()
        assert (seen.seen.count, seen.best_text) == (3, "best -40.00 %")
        folder.finish({})
        assert seen.read()
        assert not seen.read()


def test_half_a_line_and_a_damaged_one_do_not_disturb_the_view(tmp_path: Path) -> None:
    (cell,), settings, (seen,) = watched(tmp_path)
    with CellFolder(seen.path, cell.manifest(settings.recorded, {})) as folder:
        folder.append(trial(1, 30.0))
    with (seen.path / "trials.jsonl").open("ab") as file:
        file.write(b'[1]\n{"val_score_pct":"high"}\nnothing\n{"val_sc')
    assert not seen.read()
    assert (seen.seen.count, seen.seen.best) == (4, 30.0)
    with (seen.path / "trials.jsonl").open("ab") as file:
        file.write(b'ore_pct":50.0}\n')
    seen.read()
    assert (seen.seen.count, seen.seen.best) == (5, 50.0)


def test_a_failure_counts_as_an_end_and_one_of_an_earlier_launch_does_not(tmp_path: Path) -> None:
    (cell,), settings, (seen,) = watched(tmp_path, "task=faulty", "task.params.constructor=raise")
    tally = Tally([seen])
    tally.begin()
    run_cells([cell], settings)
    assert tally.scan() == [seen]
    assert (seen.failed, seen.best_text, tally.trials) == (True, "failed", 10)
    again = Tally([Watched(cell, seen.path)])
    again.begin()
    assert not again.cells[0].failed
    time.sleep(0.01)
    run_cells([cell], settings)
    assert again.scan() == again.cells


def test_the_time_left_is_told_from_the_trials_of_this_launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, settings, seen = watched(tmp_path, "seeds=4", "budget=5")
    run_cells(cells[:1], settings)
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    tally = Tally(seen)
    tally.begin()
    assert (tally.before, tally.seconds_left()) == (1, None)
    run_cells(cells[1:2], settings)
    clock[0] += 20.0
    tally.scan()
    assert tally.seconds_left() == pytest.approx(40.0, abs=1.0)
    run_cells(cells[2:], settings)
    tally.scan()
    assert tally.seconds_left() == 0.0


def test_plain_lines_count_on_from_what_was_done_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, settings, _ = watched(tmp_path, "seeds=3", "budget=2")
    run_cells(cells[:1], settings)
    with watch({tmp_path / "main": cells}, "plain"):
        run_cells(cells, settings)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 3 cells were done before"
    assert [re.sub(r"best .*", "best", line) for line in lines[1:]] == [
        "[2/3] toy random seed 1: best",
        "[3/3] toy random seed 2: best",
    ]


@pytest.mark.parametrize(("mode", "lines"), [("off", []), ("auto", ["1 of 1 cells were done before"])])
def test_off_is_silent_and_auto_without_a_terminal_is_plain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, lines: list[str]
) -> None:
    cells, settings, _ = watched(tmp_path, "budget=2")
    with watch({tmp_path / "main": cells}, mode):
        pass
    run_cells(cells, settings)
    with watch({tmp_path / "main": cells}, mode):
        pass
    assert capsys.readouterr().err.splitlines() == lines


def test_an_error_inside_goes_through_after_the_last_look(tmp_path: Path) -> None:
    cells, _, _ = watched(tmp_path, "seeds=2", "budget=2")
    with pytest.raises(ZeroDivisionError), watch({tmp_path / "main": cells}, "plain"):
        raise ZeroDivisionError


def test_a_closed_standard_error_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    say("nobody hears this")


class Terminal:
    """Runs a command on a terminal of 80 columns and keeps what it drew."""

    def __init__(self, arguments: tuple[str, ...], cwd: Path, *, columns: int = 80) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = {**environment(TERM="xterm"), "COLUMNS": str(columns)}
        command = [sys.executable, "-m", "harness", *arguments]
        self.process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.drawn = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:
                break
            if not data:
                break
            self.drawn += data
        os.close(ours)
        self.status = self.process.wait(30)

    @property
    def frames(self) -> list[list[str]]:
        """The screens that were drawn, without colours; a new one begins where the cursor goes up, or erases a line."""
        text = self.drawn.decode().replace("\r", "")
        parts = re.split(r"(?:\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh])+", text)
        return [re.sub(r"\x1b\[[0-9;]*m", "", part).splitlines() for part in parts if part.strip()]


def test_on_a_terminal_the_view_fits_80_columns_and_shows_cells_trials_best_and_time_left(tmp_path: Path) -> None:
    command = (
        *FAULTY,
        "tracking=off",
        "seeds=3",
        "budget=8",
        "task.params.epoch_seconds=0.03",
        f"arm={'a-long-name-' * 6}",
        "study=s",
    )
    seen = Terminal(command, tmp_path)
    assert seen.status == 0
    assert all(len(line) <= 80 for frame in seen.frames for line in frame)
    text = "\n".join("\n".join(frame) for frame in seen.frames)
    assert re.search(r"[0-2] of 3 cells +━", text)
    assert re.search(r"━ +\d+ s left", text)
    assert re.search(r"trial [1-8]/8", text)
    assert "best " in text
    assert "3 of 3 cells done, in " in text
    assert seen.frames[-1][-1] == "next: python -m harness.report s"
    left = [int(found) for found in re.findall(r"(\d+) s left", text)]
    assert left
    assert max(left) < 60


def test_on_a_terminal_a_mistake_is_one_line_and_no_view(tmp_path: Path) -> None:
    seen = Terminal(("task=tyo",), tmp_path)
    assert seen.status == 2
    assert seen.frames == [["harness: there is no task 'tyo'; did you mean 'toy'?"]]


def test_a_view_has_room_for_some_running_cells_and_counts_the_others(tmp_path: Path) -> None:
    _, _, seen = watched(tmp_path, f"seeds={SHOWN_CELLS + 3}", "arm='[red]'")
    for each in seen:
        each.seen.count = 2
    view = LiveView(Tally(seen))
    screen = StringIO()
    view._live.console = Console(file=screen, width=80, force_terminal=True)
    with view:
        view.update()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    assert f"toy [red] seed {SHOWN_CELLS - 1} " in drawn
    assert f"toy [red] seed {SHOWN_CELLS} " not in drawn
    assert "and 3 more" in drawn


def test_a_plain_view_needs_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, seen = watched(tmp_path)
    with PlainView(Tally(seen)) as view:
        view.ended(seen)
        view.update()
    assert capsys.readouterr().err == "[1/1] toy random seed 0: no score yet\n"


def test_many_cells_that_end_at_once_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, seen = watched(tmp_path, f"seeds={SHOWN_ENDED + 2}")
    with PlainView(Tally(seen)) as view:
        view.ended(seen[:-1])
        view.update()
        view.ended(seen[-1:])
        view.update()  # too soon for another line
        (first,) = capsys.readouterr().err.splitlines()
    (last,) = capsys.readouterr().err.splitlines()
    assert first == f"[{SHOWN_ENDED + 1}/{SHOWN_ENDED + 2}] {SHOWN_ENDED + 1} more cells have ended"
    assert last.startswith(f"[{SHOWN_ENDED + 2}/{SHOWN_ENDED + 2}] toy random seed {SHOWN_ENDED + 1}: ")
