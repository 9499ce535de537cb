"""What a command says of its trainings, and what it ends with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import Cli
from support.cells import cells_of
from support.commands import FAULTY, without_result

from harness.cli.progress import LiveView, watch
from harness.cli.result import tell
from harness.cli.watched import SHOWN_ERRORS, Crashed, Tally, Watched
from harness.pack.packing import pack
from harness.run.study import run_cells

TOY = ("task=toy", "tracking=off", "budget=3")
BROKEN = (*FAULTY, "tracking=off", "task.params.action='until fixed'", "budget=3")


def test_a_command_ends_with_the_best_trial_its_configuration_the_records_and_what_to_do_next(cli: Cli) -> None:
    ran = cli(*TOY, "seed=3")
    assert (ran.status, ran.out) == (0, "")
    assert re.fullmatch(
        r"toy random seed 3: best validation 29\.93 % \(trial 3 of 3\), test 29\.93 %\n"
        r"  learning_rate=[0-9.e-]+, momentum=[0-9.]+\n"
        r"  records: runs/main/toy/random/seed3-[0-9a-f]{8}\n"
        r"next: python -m harness\.report main",
        "\n".join(ran.err.splitlines()[1:]),
    ), ran.err
    again = cli(*TOY, "seed=3")
    assert again.err.splitlines()[1:] == ran.err.splitlines()[1:]


def test_the_command_that_it_names_next_can_be_given(cli: Cli) -> None:
    ran = cli(*TOY, "out=else where")
    assert ran.err.splitlines()[-1] == "next: python -m harness.report 'else where/main'"


def test_progress_off_is_silent_whatever_comes_out(cli: Cli) -> None:
    assert cli(*TOY, "progress=off").err == ""
    ran = cli(*BROKEN, "progress=off")
    assert (ran.status, ran.line.startswith("harness: failed: faulty/random/seed0-")) == (1, True)


def test_many_cells_end_with_the_ranking_of_arms(cli: Cli) -> None:
    command = (*TOY, "optimizer=random,default_only,sobol", "seeds=3", "-m")
    lines = cli(*command).err.splitlines()
    first = lines.index("arms by best validation score, mean over 1 task and 3 seeds:")
    assert {line.split()[2] for line in lines[first + 1 : first + 4]} == {"sobol", "random", "default_only"}
    means = [float(line.split()[0]) for line in lines[first + 1 : first + 4]]
    assert means == sorted(means, reverse=True)
    assert lines[first + 4 :] == ["next: python -m harness.report main"]
    assert all(len(line) <= 80 for line in lines)


def test_an_arm_that_is_not_whole_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, settings = cells_of(tmp_path, "seeds=9", "budget=2")
    run_cells(cells[:4], settings)
    tell({tmp_path / "main": cells}, "plain")
    assert re.fullmatch(r"  [0-9.]+ %  random \(4 of 9 cells\)", capsys.readouterr().err.splitlines()[1])


def test_nothing_is_told_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, _ = cells_of(tmp_path, "seeds=9")
    tell({tmp_path / "main": cells}, "plain")
    tell({tmp_path / "main": cells[:1]}, "plain")
    assert capsys.readouterr().err == ""


def test_packed_cells_have_their_results_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, settings = cells_of(tmp_path, "budget=2")
    run_cells(cells, settings)
    tell({tmp_path / "main": cells}, "plain")
    before = capsys.readouterr().err.splitlines()
    pack(tmp_path / "main", keep=False)
    tell({tmp_path / "main": cells}, "plain")
    after = capsys.readouterr().err.splitlines()
    assert after[:2] == before[:2]
    assert "packed.zip: toy/random/seed0-" in after[2]


def test_a_cell_without_a_score_says_why(cli: Cli) -> None:
    ran = cli(*FAULTY, "tracking=off", "task.params.action=nan", "budget=2")
    assert ran.status == 0
    lines = ran.err.splitlines()
    assert lines[0] == "[1/1] faulty random seed 0: no score: every trial failed"
    told = " ".join(line.strip() for line in lines[1:3])
    assert told.startswith("faulty random seed 0: no score: all 2 trials failed, the first: val_score_pct is nan at epoch 3")


def test_a_long_arm_stays_within_80_columns_and_its_records_can_be_found(cli: Cli, tmp_path: Path) -> None:
    ran = cli(*TOY, f"arm={'a-long-name-' * 6}x")
    assert all(len(line) <= 80 for line in ran.err.splitlines()[1:])
    (pattern,) = (line.split()[1] for line in ran.err.splitlines() if line.startswith("  records: "))
    assert len(list(tmp_path.glob(pattern))) == 1


def test_a_failing_training_speaks_once_however_many_trials_and_cells_it_ends(cli: Cli) -> None:
    ran = cli(*BROKEN, "seeds=3")
    assert ran.status == 1
    lines = ran.err.splitlines()
    told = [line for line in lines if ", trial " in line]
    assert len(told) == 1
    assert re.fullmatch(r"faulty random seed \d, trial \d failed: RuntimeError: the code is broken \(.*faulty\.py:\d+\)", told[0])
    assert sum(line.endswith(": failed") for line in lines) == 3
    assert lines[-1] == "harness: 3 of 3 cells are not done; the same command goes on with them"


def test_after_a_fix_the_same_command_trains_and_tells_its_result(cli: Cli) -> None:
    ran = cli(*BROKEN)
    assert ran.status == 1
    last = ran.err.splitlines()[-1]
    assert last.startswith("harness: failed: faulty/random/seed0-")
    assert ": all 3 trials failed: RuntimeError: the code is broken (" in last
    assert last.rpartition("; see ")[2].startswith("runs/main/faulty/random/seed0-")
    assert Path(last.rpartition("; see ")[2]).exists()
    Path("fixed").touch()
    ran = cli(*BROKEN)
    assert ran.status == 0
    assert [line.partition(": best")[0] for line in without_result(ran.err)] == ["[1/1] faulty random seed 0"]


def test_errors_that_differ_in_their_numbers_alone_are_one_and_many_are_cut_short(tmp_path: Path) -> None:
    cells, _ = cells_of(tmp_path)
    seen = Watched(cells[0], tmp_path)
    tally = Tally([seen])
    seen.seen.crashes += [Crashed(number, f"ValueError: x={number}", "mine.py:3") for number in range(1, 4)]
    assert list(tally.new_errors()) == ["toy random seed 0, trial 1 failed: ValueError: x=1 (mine.py:3)"]
    seen.seen.crashes += [Crashed(number, "ValueError: again", f"mine.py:{number}") for number in range(3, 30)]
    lines = list(tally.new_errors())
    assert len(lines) == SHOWN_ERRORS
    assert lines[-1] == "there are more errors: see trials.jsonl of each cell"


def test_what_failed_in_an_earlier_launch_is_told_again_when_it_fails_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    cells, settings = cells_of(tmp_path, *BROKEN[2:])
    for _ in range(2):
        with watch({tmp_path / "main": cells}, "plain"):
            run_cells(cells, settings)
        told = capsys.readouterr().err.splitlines()
        assert [line.partition(": RuntimeError")[0] for line in told] == [
            "faulty random seed 0, trial 1 failed",
            "[1/1] faulty random seed 0: failed",
        ]


def test_on_a_terminal_an_error_stands_above_the_view(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells, _ = cells_of(tmp_path)
    view = LiveView(Tally([Watched(cells[0], tmp_path)]))
    with view:
        view.tell("toy [red] seed 0, trial 1 failed: \x1b[31m")
    assert r"toy [red] seed 0, trial 1 failed: \x1b[31m" in " ".join(capsys.readouterr().err.split())
