"""`--watch`: the page grows with its study, a reader of it never misses a file, and what does not go with it is one line."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas
from support.commands import FAULTY, start

from harness.errors import StorageError
from harness.report.__main__ import main
from harness.report.growth import Growth
from harness.report.render.document import Figure, Report, Section, Table, columns, row
from harness.report.render.write import end_refresh, write_report
from harness.run.study import write_blocked
from harness.signals import stop_status
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, trials_of, write_cell, write_study

QUICK = "report.resamples=100"
REFRESH = '<meta http-equiv="refresh" content="'


@pytest.fixture
def study(synthetic_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the synthetic study, which is done, as ./runs/synthetic of the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(synthetic_folder, tmp_path / "runs" / "synthetic"))


def test_a_look_counts_cells_and_changes_with_any_record(study: Path) -> None:
    growth = Growth(study)
    whole = growth.look()
    assert (whole.planned, whole.done, whole.is_complete) == (72, 72, True)
    assert growth.look() == whole

    summary = next(study.glob("*/*/*/summary.json"))
    kept = summary.read_bytes()
    summary.unlink()
    growth = Growth(study)  # one that saw the cell done looks at it no more
    open_cell = growth.look()
    assert (open_cell.done, open_cell.is_complete, open_cell.is_at_rest, str(open_cell)) == (
        71,
        False,
        False,
        "71 of 72 cells done",
    )
    with (summary.parent / "trials.jsonl").open("a") as file:
        file.write("{}\n")
    grown = growth.look()
    assert grown.mark != open_cell.mark
    assert growth.look() == grown

    (summary.parent / "failure.json").write_text("{}")
    assert growth.look().is_at_rest
    assert str(growth.look()) == "71 of 72 cells done, 1 failed"
    summary.write_bytes(kept)
    assert growth.look().is_complete


def test_a_study_without_a_plan_has_no_cell(tmp_path: Path) -> None:
    assert Growth(tmp_path).look().planned == 0


def test_the_page_grows_with_its_study_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    slow = (
        "task.params.epoch_seconds=0.25",
        "task.params.good_epochs=4",
        "budget=1",
        "seeds=3",
        "tracking=off",
        "optimizer=random",
        "-m",
    )
    page, seen = tmp_path / "runs" / "main" / "report" / "report.html", list[str]()
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.05):
            if page.exists():
                seen.append(page.read_text(encoding="utf-8"))

    with start((*FAULTY, *slow), tmp_path) as process:
        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert main(["main", "--watch", "1", QUICK, "report.traces=0"]) == 0
        finally:
            over.set()
            reader.join()
        process.communicate(timeout=30)
    out = capsys.readouterr().out
    built = re.findall(r"^\d\d:\d\d:\d\d  (\d) of 3 cells done; page built in [\d.]+ s$", out, re.MULTILINE)
    assert built == sorted(built)
    assert built[0] < "3"
    assert all(text.endswith("</html>\n") or text.endswith("</html>") for text in seen)
    assert any(REFRESH in text for text in seen)
    # The last report is the usual one, whole and still.
    assert REFRESH not in page.read_text(encoding="utf-8")
    assert "3 of 3 planned cells are done" in " ".join(out.split())


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, str]]:
    """Keep the refresh of each page and its first fact, and write none: drawing is most of the time."""
    kept: list[tuple[int | None, str]] = []

    def keep(built: Report, out: Path, _: object, refresh_seconds: int | None = None) -> None:
        kept.append((refresh_seconds, built.facts[0][1]))
        out.mkdir(parents=True, exist_ok=True)

    for module in ("command", "watching"):
        monkeypatch.setattr(f"harness.report.{module}.write_report", keep)
    monkeypatch.setattr("harness.report.watching.POLL_SECONDS", 0.05)
    monkeypatch.setattr("harness.report.watching.POLL_PER_LOOK", 0.0)
    return kept


def test_each_change_has_a_page_and_one_that_cannot_be_written_does_not_end_the_others(
    tmp_path: Path, written: list[tuple[int | None, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, arm = tmp_path / "main", SyntheticArm("one")
    arms = SyntheticStudy([arm], tasks=("toy",), seeds=(0, 1, 2), budget=2)
    cells = write_study(study, arms, leave_out=[("one", "toy", seed) for seed in (1, 2)])
    began: list[float] = []

    def grow(built: Report, _: Path, __: object, refresh_seconds: int) -> None:
        began.append(time.monotonic())
        cell = cells[len(began)]
        write_cell(study, cell, trials_of(arms, arm, cell), arm)
        if len(began) == 2:
            raise StorageError("the disk is full")
        written.append((refresh_seconds, built.facts[0][1]))

    monkeypatch.setattr("harness.report.watching.write_report", grow)
    assert main([str(study), QUICK, "report.traces=0", "--watch", "1"]) == 0
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
    assert main([str(study), QUICK, "report.traces=0", "--watch", "1", "--check", str(tmp_path / "asked.yaml")]) == 1
    out = capsys.readouterr().out
    assert out.count("NOT MET  all there") == 1
    assert "  3 of 4 cells done, 1 blocked; page built in " in out
    assert "2 of 4 planned cells are done; 1 blocked and 1 unreadable" in " ".join(out.split())
    assert [seconds for seconds, _ in written] == [1, None]


def drawn() -> Canvas:
    canvas = Canvas(figsize=(1, 1))
    canvas.add_subplot().plot([0, 1])
    return canvas


def report(*keys: str) -> Report:
    table = Table("t", "T", columns("arm", "score"), (row("a", "1"),), pd.DataFrame({"arm": ["a"], "score": [1.0]}))
    figures = (Figure(key, key, key, pd.DataFrame({"x": [0, 1]}), drawn) for key in keys)
    return Report("R", (), (), (Section("s", "S", (table, *figures)),))


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[list[str]]:
    """Read `out/report.html` and every file that it links to, again and again; the list has what was missing or not whole."""
    wrong, over = list[str](), threading.Event()

    def read() -> None:
        while not over.is_set():
            try:
                page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            if not page.rstrip().endswith("</html>"):
                wrong.append("half a page")
            for name in re.findall(r'href="((?:csv|latex|figures)/[^"]+)"', page):
                if not (tmp_path / "out" / name).is_file():
                    wrong.append(name)

    reader = threading.Thread(target=read)
    reader.start()
    yield wrong
    over.set()
    reader.join()


def test_who_reads_an_earlier_page_meanwhile_misses_no_file(tmp_path: Path, reading: list[str]) -> None:
    for _ in range(6):
        write_report(report("one"), tmp_path / "out")
    assert reading == []


def test_what_an_earlier_report_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_report(report("one", "two"), out)
    (out / "mine.txt").write_text("kept")
    write_report(report("two"), out, refresh_seconds=7)
    assert sorted(path.name for path in (out / "figures").iterdir()) == ["two.png", "two.svg"]
    assert sorted(path.name for path in (out / "csv").iterdir()) == ["t.csv", "two.csv"]
    assert (out / "mine.txt").exists()
    assert f'{REFRESH}7">' in (out / "report.html").read_text(encoding="utf-8")
    end_refresh(out)
    assert REFRESH not in (out / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_is_a_link_is_left_alone(tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.csv").write_text("kept")
    out = tmp_path / "out"
    out.mkdir()
    (out / "csv").symlink_to(elsewhere)
    assert main([str(study), QUICK, "--out", str(out)]) == 2
    assert "it is a link" in capsys.readouterr().err
    assert (elsewhere / "mine.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["synthetic", "--watch", "--brief"],
            "--watch rebuilds the page from the records while they grow, and does not go with --brief",
        ),
        (["synthetic", "--watch", "--agree", "records"], "does not go with --agree"),
        (["synthetic", "--watch", "--from", "wandb:a/b"], "does not go with --from"),
        (["synthetic", "--watch", "soon"], "--watch soon: give seconds from 1 to 86400, or none"),
        (["synthetic", "--watch", "0"], "--watch 0: give seconds from 1 to 86400, or none"),
        (["synthetic", "--watch", "nan"], "--watch nan: give seconds from 1 to 86400, or none"),
        (["--watch", "synthetic"], "--watch needs a study, which stands before it: python -m harness.report synthetic --watch"),
        (["synthetic", "--watch", "report.resample=3"], "report.resample"),
        (["nothing", "--watch"], "there is no study 'nothing'"),
    ],
)
def test_what_does_not_go_with_it_is_one_line(
    study: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.report.watching.PLAN_SECONDS", 0.0)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (study / "report").exists()


def test_ctrl_c_ends_it_with_a_still_page(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    next(study.glob("*/*/*/summary.json")).unlink()

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.report.watching.time.sleep", stop)
    assert main(["synthetic", "--watch", QUICK, "report.traces=0"]) == (stop_status() or 130)
    said = capsys.readouterr()
    assert "71 of 72 cells done; page built in" in said.out
    assert said.err == "report: stopped; the records are as they were, and the same command builds the report anew\n"
    assert REFRESH not in (study / "report" / "report.html").read_text(encoding="utf-8")
