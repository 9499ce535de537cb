"""How the arms of a command stand while it runs: against cases counted by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from support.values import trial

from harness.cell import Cell
from harness.cli.progress import PLAIN_STANDING_SECONDS, LiveView, PlainView, watch
from harness.cli.result import tell
from harness.cli.standings import Comparison, Finished, Standings, compare, standings_of
from harness.cli.watched import Tally, watched_cells
from harness.pack.packing import pack
from harness.run.study import write_blocked
from harness.store.archive import Pack, packed
from harness.store.cell_folder import CellFolder, read_trials
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, write_study
from harness.trial import PERCENT, Direction, Objective, Outcome, Proposal, Status, Trial

LOSS = Objective("loss", Direction.MINIMIZE, "nats", 0.1)


def compared(scores: Mapping[str, Mapping[str, float | None]], objectives: Mapping[str, Objective] | None = None) -> Comparison:
    """Compare arms by their scores per pair."""
    return compare(
        Finished(arm, pair, (objectives or {}).get(pair, PERCENT), score)
        for arm, found in scores.items()
        for pair, score in found.items()
    )


def test_a_mean_is_over_the_pairs_that_all_compared_arms_have_finished() -> None:
    found = compared({"begun": {"a": 99.0}, "behind": {"a": 60.0, "b": 75.0}, "ahead": {"a": 80.0, "b": 70.0, "c": 10.0}})
    assert found == Comparison({"ahead": 75.0, "behind": 67.5}, 2, PERCENT)
    assert (found.text("ahead"), found.text("begun")) == ("75.00 %", "–")


def test_an_arm_that_catches_up_joins_the_comparison() -> None:
    found = compared({"last": {"a": 99.0, "b": 1.0}, "second": {"a": 60.0, "b": 75.0}, "first": {"a": 80.0, "b": 70.0, "c": 10.0}})
    assert found == Comparison({"first": 75.0, "second": 67.5, "last": 50.0}, 2, PERCENT)


def test_arms_on_other_tasks_are_not_compared_with_each_other() -> None:
    found = compared({"here": {"a": 1.0, "b": 1.0}, "there": {"c": 90.0, "d": 90.0}, "here too": {"b": 2.0}})
    assert found == Comparison({"here too": 2.0, "here": 1.0}, 1, PERCENT)
    assert len(compared({"here": {"a": 1.0}, "there": {"c": 90.0}}).values) == 1


def test_of_what_is_minimised_the_least_is_best() -> None:
    found = compared({"high": {"a": 3.0, "b": 5.0}, "low": {"a": 1.0, "b": 6.0}}, {"a": LOSS, "b": LOSS})
    assert list(found.values.items()) == [("low", 3.5), ("high", 4.0)]
    assert found.text("low") == "3.500 nats"


def test_several_units_give_mean_ranks_in_which_ties_share_their_places() -> None:
    scores = {"x": {"a": 90.0, "b": 2.0}, "y": {"a": 80.0, "b": 1.0}, "z": {"a": 90.0, "b": 2.5}}
    found = compared(scores, {"b": LOSS})
    # On a: x and z share 1 and 2, y is third. On b, where less is better: y, x, z.
    assert found == Comparison({"x": 1.75, "y": 2.0, "z": 2.25}, 2, None)
    assert (found.measure, found.text("x")) == ("mean rank", "1.8")


def test_a_cell_without_a_score_has_the_last_rank_and_there_is_no_mean() -> None:
    found = compared({"x": {"a": None, "b": 90.0}, "y": {"a": 1.0, "b": 80.0}, "z": {"a": None, "b": 70.0}})
    # On a: y, then x and z, which share 2 and 3. On b: x, y, z.
    assert found == Comparison({"y": 1.5, "x": 1.75, "z": 2.75}, 2, None)


def test_one_task_with_two_metrics_makes_no_common_pair() -> None:
    cells = [Finished("x", "a", PERCENT, 90.0), Finished("y", "a", LOSS, 1.0)]
    assert len(compare(cells).values) == 1


def failed(number: int, status: Status, source: str = "optimizer") -> Trial:
    """Return a trial that failed."""
    return Trial(
        number, Proposal({"learning_rate": 0.1, "momentum": 0.5}, source), Outcome.failed(status, f"it {status}", (), 0.1), 0.0
    )


def drawn(number: int, score: float, source: str) -> Trial:
    """Return a trial whose proposal has this source."""
    other = trial(number, score)
    return Trial(number, Proposal(other.config, source), other.outcome, 0.0)


def synthetic(*arms: str, seeds: int = 2) -> list[Cell]:
    """Return the cells of these arms on one task."""
    study = SyntheticStudy([SyntheticArm(arm) for arm in arms], tasks=("toy",), seeds=range(seeds), budget=3)
    return [study.cell("main", arm, "toy", seed) for arm in study.arms for seed in study.seeds]


@pytest.fixture
def arms(tmp_path: Path) -> tuple[list[Cell], Path]:
    """Cells of four arms on one task with two seeds: of two arms finished, of one begun, of one not."""
    cells, study = synthetic("first", "second", "begun", "waiting"), tmp_path / "main"

    def write(cell: Cell, *trials: Trial, finish: bool = True) -> None:
        with CellFolder(study / cell.folder, cell.manifest({}, {}), sync="cell") as folder:
            folder.append(*trials)
            if finish:
                folder.finish({"val_score_pct": 1.0})

    write(cells[0], trial(1, 80.0), failed(2, Status.DIVERGED), failed(3, Status.CRASHED))
    write(cells[1], trial(1, 60.0), trial(2, 70.0), failed(3, Status.DIVERGED))
    write(cells[2], drawn(1, 50.0, "llm"), drawn(2, 40.0, "fallback"), drawn(3, 30.0, "llm-retry-1"))
    write(cells[3], drawn(1, 90.0, "default"), drawn(2, 40.0, "fallback"), drawn(3, 30.0, "llm"))
    write(cells[4], trial(1, 99.0), finish=False)
    with CellFolder(study / cells[5].folder, cells[5].manifest({}, {})) as folder:
        folder.fail({"error": "ValueError: no luck\nand more"})
    return cells, study


def seen(cells: list[Cell], study: Path) -> Tally:
    """Read the cells as in a launch that wrote all of them."""
    tally = Tally(list(watched_cells(study, cells)))
    tally.blocked_bytes[study] = 0
    write_blocked(study, cells[6:], "no Ollama at home")
    tally.scan()
    return tally


def test_what_is_done_what_failed_and_what_was_drawn_is_counted_per_arm(arms: tuple[list[Cell], Path]) -> None:
    found = standings_of(seen(*arms).cells)
    assert found.comparison == Comparison({"first": 75.0, "second": 70.0}, 2, PERCENT)
    assert [(arm.arm, arm.done, arm.cells, arm.troubles) for arm in found.arms] == [
        ("first", 2, 2, "2 trials diverged, 1 trial crashed"),
        ("second", 2, 2, "2 of 5 fallback"),
        ("begun", 0, 2, "1 failed"),
        ("waiting", 0, 2, "2 blocked"),
    ]
    assert found.failures == ("failed: toy begun seed 1: ValueError: no luck", "2 cells blocked: no Ollama at home")


def drawn_on(tally: Tally, width: int, height: int) -> list[str]:
    """Return the lines that the live view draws on a terminal."""
    view, screen = LiveView(tally), StringIO()
    view._live.console = Console(file=screen, width=width, height=height, force_terminal=True)
    with view:
        view.update()
    first = re.split(r"(?:\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh])+", screen.getvalue())[1]
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", first).splitlines()]


def test_the_live_view_shows_standings_and_failures_within_the_terminal(arms: tuple[list[Cell], Path]) -> None:
    tally = seen(*arms)
    lines = drawn_on(tally, 80, 24)
    assert lines[0].startswith("4 of 8 cells ")
    assert lines[1:9] == [
        "toy begun seed 0 trial 1/3 best 99.00 %",
        "validation, no verdict: mean over 2 task-seed pairs that 2 arms share",
        "first   2/2 75.00 % 2 trials diverged, 1 trial crashed",
        "second  2/2 70.00 % 2 of 5 fallback",
        "begun   0/2       – 1 failed",
        "waiting 0/2       – 2 blocked",
        "failed: toy begun seed 1: ValueError: no luck",
        "2 cells blocked: no Ollama at home",
    ]
    low = drawn_on(tally, 40, 9)
    assert "and 2 more arms: 1 failed, 2 blocked" in low
    assert not any(line.startswith("begun") for line in low)
    assert all(len(line) <= 40 for line in low)
    assert len(low) <= 9
    assert not any("validation" in line for line in drawn_on(tally, 80, 5))


def test_without_a_terminal_the_arms_have_a_line_after_a_quarter_and_not_again_soon(
    arms: tuple[list[Cell], Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cells, study = arms
    clock = [time.monotonic()]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    view = PlainView(Tally(list(watched_cells(study, cells))))
    view.tally.scan()
    view.update()
    assert capsys.readouterr().err == ""
    clock[0] += PLAIN_STANDING_SECONDS
    view.update()
    assert capsys.readouterr().err == (
        "4 of 8 cells, validation, no verdict: mean over 2 task-seed pairs that 2 arms share: first 75.00 %, second 70.00 %; "
        "first: 2 trials diverged, 1 trial crashed; second: 2 of 5 fallback; begun: 1 failed\n"
    )
    clock[0] += PLAIN_STANDING_SECONDS
    view.update()
    assert capsys.readouterr().err == ""


def test_blocked_cells_and_packed_ones_are_in_the_standings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "main"
    done = write_study(study, SyntheticStudy([SyntheticArm("packed", failure_rate=0.0)], tasks=("toy",), seeds=(0, 1), budget=3))
    pack(study, keep=False)
    other, vain = synthetic("other", "vain", seeds=1)
    shown: list[Standings] = []

    class Keeping(PlainView):
        def update(self) -> None:
            shown.append(self.standings())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.cli.progress.PlainView", Keeping)
        with watch({study: [*done, other]}, "plain", [(study, vain, "no Ollama at home")]):
            pass
    assert [(arm.arm, arm.done, arm.troubles) for arm in shown[-1].arms] == [
        ("packed", 2, ""),
        ("other", 0, ""),
        ("vain", 0, "1 blocked"),
    ]
    assert shown[-1].failures == ("1 cell blocked: no Ollama at home",)
    tally = Tally(list(watched_cells(study, done)))
    tally.read_packed()
    best = [max(trial.score or 0.0 for trial in read_trials(pack_of(study).open(cell.folder))) for cell in done]
    assert [watched.seen.best for watched in tally.cells] == best
    assert capsys.readouterr().err == "2 of 3 cells were done before\n"


def pack_of(study: Path) -> Pack:
    """Return the pack of a study."""
    found = packed(study)
    assert found is not None
    return found


def test_at_the_end_arms_that_are_not_whole_are_ranked_by_what_they_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = SyntheticStudy([SyntheticArm("one"), SyntheticArm("other", 2.0)], tasks=("toy",), seeds=range(5), budget=3)
    cells = write_study(tmp_path / "main", study, leave_out=[("other", "toy", 4)])
    tell({tmp_path / "main": cells}, "plain")
    head, first, second, _ = capsys.readouterr().err.splitlines()
    assert head == "arms by best validation score, mean over 4 task-seed pairs that 2 arms share:"
    best = [(c.arm, max(t.score or 0.0 for t in read_trials(tmp_path / "main" / c.folder))) for c in cells if c.seed < 4]
    means = {arm: sum(score for of, score in best if of == arm) / 4 for arm in ("one", "other")}
    assert sorted([first, second]) == sorted([f"  {means['one']:.2f} %  one", f"  {means['other']:.2f} %  other (4 of 5 cells)"])
