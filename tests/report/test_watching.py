"""--watch: pages while a study grows, its end, and what it refuses. What is drawn on a page is for other tests."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.commands import FAULTY, start

from harness.errors import StorageError
from harness.report.__main__ import main
from harness.report.growth import Growth, Look
from harness.report.render.document import Figure, Report, Section, Table, columns, row
from harness.report.render.write import end_refresh, write_report
from harness.run.study import write_blocked
from harness.store.cell_folder import CellFolder
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, trials_of, write_cell, write_study

REFRESH = '<meta http-equiv="refresh" content="7">'


def small(*keys: str) -> Report:
    """Return a report with a table and a figure of each name."""

    def draw() -> Any:
        from matplotlib.figure import Figure as Canvas

        return Canvas(figsize=(1, 1))

    data = pd.DataFrame({"arm": ["a"] * 300, "score": range(300)})
    tables = [Table(key, f"Table {key}", columns("arm", "score"), (row("a", "1"),) * 300, data) for key in keys]
    figures = [Figure(f"{key}_drawn", "A figure", "nothing", data, draw) for key in keys]
    return Report("Study x", (), (), (Section("scores", "Scores", (*tables, *figures)),))


def names(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_who_reads_a_report_while_the_next_one_is_written_misses_no_file(tmp_path: Path) -> None:
    report, trials = small("one"), pd.DataFrame({"x": range(2000)})
    write_report(report, tmp_path, trials)
    there = {name: (tmp_path / name).stat().st_size for name in names(tmp_path)}
    assert {"report.html", "report.md", "trials.csv", "csv/one.csv", "latex/one.tex", "figures/one_drawn.png"} < {*there}
    odd: list[str] = []
    looks, stop = [0], threading.Event()

    def read() -> None:
        while not stop.is_set():
            for name, size in there.items():
                try:
                    found = (tmp_path / name).read_bytes()
                    if len(found) != size:
                        odd.append(f"{name}: {len(found)} of {size} bytes")
                except FileNotFoundError:
                    odd.append(f"{name}: missing")
            looks[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        write_report(report, tmp_path, trials)
    stop.set()
    reader.join()
    assert looks[0] > 3
    assert odd == []


def test_what_an_earlier_report_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    write_report(small("one", "two"), tmp_path)
    (tmp_path / "csv" / "mine").mkdir()
    (tmp_path / "csv" / ".three.csv.1").touch()  # the draft of a living process
    (tmp_path / "csv" / ".three.csv.999999999").touch()
    write_report(small("two"), tmp_path)
    assert names(tmp_path) == {
        *("report.html", "report.md", "csv/two.csv", "csv/two_drawn.csv", "csv/.three.csv.1", "latex/two.tex"),
        *("figures/two_drawn.svg", "figures/two_drawn.png"),
    }
    assert not (tmp_path / "csv" / "mine").exists()


def test_no_file_behind_a_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kept.csv").touch()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "csv").symlink_to(tmp_path / "mine")
    with pytest.raises(StorageError, match=r"cannot write .*/report/csv: it is a link"):
        write_report(small("one"), tmp_path / "report")
    assert names(tmp_path / "mine") == {"kept.csv"}


def test_a_page_loads_itself_anew_only_where_it_is_asked_to_and_until_it_is_told_not_to(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    end_refresh(tmp_path)
    write_report(small("one"), tmp_path)
    plain = page.read_text()
    write_report(small("one"), tmp_path, refresh_seconds=7)
    assert page.read_text().replace(f"{REFRESH}\n", "") == plain
    assert REFRESH in page.read_text().partition("<title>")[0]
    end_refresh(tmp_path)
    assert page.read_text() == plain


def test_a_look_counts_the_cells_and_tells_whether_records_were_written(tmp_path: Path) -> None:
    arms = SyntheticStudy(
        [SyntheticArm(arm) for arm in ("done", "failed", "blocked", "open")], tasks=("toy",), seeds=(0,), budget=2
    )
    study = tmp_path / "main"
    cells = write_study(study, arms, leave_out=[(arm, "toy", 0) for arm in ("failed", "blocked", "open")])
    growth = Growth(study)
    assert growth.look() == growth.look()
    before = growth.look()
    assert (before.planned, before.done, before.is_complete, before.is_at_rest) == (4, 1, False, False)
    with CellFolder(study / cells[1].folder, cells[1].manifest({}, {})) as folder:
        folder.fail({"error": "no luck"})
        running = growth.look()
        assert (running.failed, running.mark != before.mark) == (0, True)  # perhaps it is being tried again
    write_blocked(study, cells[2:3], "no Ollama")
    after = growth.look()
    assert (str(after), after.is_at_rest) == ("1 of 4 cells done, 1 failed, 1 blocked", False)
    write_blocked(study, cells[3:], "no Ollama")
    assert growth.look().is_at_rest
    assert not growth.look().is_complete
    assert Growth(tmp_path).look() == Look(Growth(tmp_path).look().mark, 0, 0, 0, 0)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, str]]:
    """Keep the refresh of each page and its first fact, and write none: drawing is most of the time."""
    kept: list[tuple[int | None, str]] = []

    def keep(report: Report, out: Path, _: object, refresh_seconds: int | None = None) -> None:
        kept.append((refresh_seconds, report.facts[0][1]))
        out.mkdir(parents=True, exist_ok=True)

    for module in ("command", "watching"):
        monkeypatch.setattr(f"harness.report.{module}.write_report", keep)
    monkeypatch.setattr("harness.report.watching.POLL_SECONDS", 0.05)
    monkeypatch.setattr("harness.report.watching.POLL_PER_LOOK", 0.0)
    return kept


QUICK = ("report.resamples=200", "report.traces=0")


def test_a_study_in_another_process_has_a_page_while_it_runs_and_its_whole_report_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: list[tuple[int | None, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = (*FAULTY, "tracking=off", "seeds=3", "budget=2", "task.params.epoch_seconds=0.2", "progress=off")
    with start(command, tmp_path) as process:
        assert main(["main", *QUICK, "--watch", "1"]) == 0
        assert process.wait(30) == 0
    said = capsys.readouterr()
    assert said.err == "report: there is no study 'main' (neither a folder, nor in runs/); waiting for it for 1 min 0 s\n"
    head, rest = said.out.split("\n\n", 1)
    first, *lines = head.splitlines()
    assert first == "Watching runs/main; the page is runs/main/report/report.html. Ctrl-C ends this."
    assert lines
    assert all(" of 3 cells done; page built in " in line for line in lines)
    assert lines[0].split()[1] != "3"
    assert "3 of 3 planned cells are done" in rest
    refreshed, (last, _) = written[:-1], written[-1]
    assert [seconds for seconds, _ in refreshed] == [1] * len(lines)
    assert refreshed[0][1].endswith(f"with {' '.join(lines[0].split()[1:6]).rstrip(';')}")
    assert last is None


def test_each_change_has_a_page_and_one_that_cannot_be_written_does_not_end_the_others(
    tmp_path: Path, written: list[tuple[int | None, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, arm = tmp_path / "main", SyntheticArm("one")
    arms = SyntheticStudy([arm], tasks=("toy",), seeds=(0, 1, 2), budget=2)
    cells = write_study(study, arms, leave_out=[("one", "toy", seed) for seed in (1, 2)])
    began: list[float] = []

    def grow(report: Report, _: Path, __: object, refresh_seconds: int) -> None:
        began.append(time.monotonic())
        cell = cells[len(began)]
        write_cell(study, cell, trials_of(arms, arm, cell), arm)
        if len(began) == 2:
            raise StorageError("the disk is full")
        written.append((refresh_seconds, report.facts[0][1]))

    monkeypatch.setattr("harness.report.watching.write_report", grow)
    assert main([str(study), *QUICK, "--watch", "1"]) == 0
    lines = capsys.readouterr().out.split("\n\n")[0].splitlines()[1:]
    assert lines[0].partition("  ")[2].startswith("1 of 3 cells done; page built in ")
    assert lines[1].partition("  ")[2] == "2 of 3 cells done; no new page: the disk is full"
    assert began[1] - began[0] >= 1.0
    assert [seconds for seconds, _ in written] == [1, None]


def test_cells_that_cannot_run_are_not_waited_for_and_damaged_records_end_nothing(
    tmp_path: Path, written: list[tuple[int | None, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "main"
    arms = SyntheticStudy([SyntheticArm(arm) for arm in ("one", "other")], tasks=("toy",), seeds=(0, 1), budget=2)
    cells = write_study(study, arms, leave_out=[("other", "toy", 1)])
    write_blocked(study, cells[-1:], "no Ollama")
    (study / cells[0].folder / "trials.jsonl").write_text("damaged\n")
    (tmp_path / "asked.yaml").write_text("expectations: [{name: all there, coverage: {at_least: 1.0}}]")
    assert main([str(study), *QUICK, "--watch", "1", "--check", str(tmp_path / "asked.yaml")]) == 1
    out = capsys.readouterr().out
    assert out.count("NOT MET  all there") == 1
    assert "  3 of 4 cells done, 1 blocked; page built in " in out
    assert "2 of 4 planned cells are done; 1 blocked and 1 unreadable" in " ".join(out.split())
    assert [seconds for seconds, _ in written] == [1, None]


def test_ctrl_c_ends_it_with_the_page_as_it_is_but_for_its_refresh(
    synthetic_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(watcher: Any) -> None:
        write_report(small("one"), watcher.out, refresh_seconds=7)
        signal.raise_signal(signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr("harness.report.watching.Watcher.follow", stopped)
    assert main([str(synthetic_folder), "--watch", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "report: stopped; the records are as they were, and the same command builds the report anew\n"
    assert "Study x" in (tmp_path / "report.html").read_text()
    assert REFRESH not in (tmp_path / "report.html").read_text()


MISTAKES = [
    (
        ["main", "--watch", "--brief"],
        "report: --watch rebuilds the page from the records while they grow, and does not go with --brief",
    ),
    (
        ["main", "--watch", "5", "--agree", "records"],
        "report: --watch rebuilds the page from the records while they grow, and does not go with --agree",
    ),
    (
        ["main", "--watch", "--from", "wandb:a/b"],
        "report: --watch rebuilds the page from the records while they grow, and does not go with --from",
    ),
    (["--watch", "main"], "report: --watch needs a study, which stands before it: python -m harness.report main --watch"),
    (["--watch"], "report: --watch needs a study, which stands before it: python -m harness.report STUDY --watch"),
    (["main", "--watch", "0.5"], "report: --watch 0.5: give seconds from 1 to 86400, or none"),
    (["main", "--watch", "nan"], "report: --watch nan: give seconds from 1 to 86400, or none"),
    (["main", "--watch", "soon"], "report: --watch soon: give seconds from 1 to 86400, or none"),
    (["main", "--watch", "--check", "none.yaml"], "report: --check none.yaml: cannot be read (No such file or directory)"),
    (["main", "report.referense=x", "--watch"], "report: there is no setting 'report.referense'; did you mean 'reference'?"),
]


@pytest.mark.parametrize(("arguments", "line"), MISTAKES, ids=[" ".join(arguments) for arguments, _ in MISTAKES])
def test_a_mistake_with_watch_is_one_line_and_exit_status_2(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_study_that_does_not_come_is_one_line_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.report.watching.PLAN_SECONDS", 0.02)
    assert main([str(tmp_path), "--watch"]) == 2
    reason = f"{tmp_path}: no study there (plan.jsonl is missing, or plans no cell)"
    assert capsys.readouterr().err == f"report: {reason}; waiting for it for 0 s\nreport: {reason}\n"
