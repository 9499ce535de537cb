"""The tables for a terminal: 80 columns wide, numbers aligned right and never cut, no control characters."""

from __future__ import annotations

import pandas as pd
from report.conftest import in_memory

from harness.report.analysis.options import Options
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Column, Table, columns, row
from harness.report.render.terminal import least_width, natural_width, table_lines, to_terminal
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy

CORE = ("digits", "friedman", "graph", "madelon", "ratings", "text")
LONGEST = "skopt_gp_startup10+default"


def table(heads: tuple[Column, ...], *rows: tuple[str, ...]) -> Table:
    return Table("t", "T", heads, tuple(row(*texts) for texts in rows), pd.DataFrame())


def test_the_terminal_fits_80_columns_with_the_core_tasks_and_longest_names() -> None:
    arms = [SyntheticArm(LONGEST, startup_trials=10), SyntheticArm("random"), SyntheticArm("random+default", start="default")]
    report = build_report(find(in_memory(SyntheticStudy(arms, CORE, range(3))), Options(resamples=200)))
    lines = to_terminal(report, ("scores", "verdict", "coverage")).splitlines()
    assert max(map(len, lines)) <= 80
    means, deviations = (line for line in lines if line.startswith(f"{LONGEST}†") and line.count(".") == 7)
    assert len(means.split()) == len(deviations.split()) == 8
    assert not any("…" in line for line in lines if line.startswith(("random", LONGEST)))


def test_a_head_is_cut_where_the_table_is_too_wide_and_a_number_never() -> None:
    shown = table(
        columns("arm", "a task with words", "short", *(f"much_too_long_{n}" for n in range(6))), ("x" * 30, *["12.3"] * 8)
    )
    assert natural_width(shown) > 80 >= least_width(shown)
    lines = table_lines(shown)
    assert max(map(len, lines)) == 80
    assert lines[-1].split() == ["x" * 30, *["12.3"] * 8]
    assert "…" in "".join(lines[:-1])


def test_columns_of_plain_numbers_stand_closer_before_a_head_is_cut() -> None:
    close = table(columns("arm", *(f"task_{n}" for n in range(9))), ("x" * 16, *["12.3"] * 9))
    assert natural_width(close) == 16 + 9 * (6 + 1)
    lines = table_lines(close)
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert lines[0].endswith("task_7 task_8")


def test_a_study_of_one_seed_shows_no_deviations() -> None:
    for seeds, count in ((1, 0), (2, 1)):
        study = SyntheticStudy([SyntheticArm("random"), SyntheticArm("tpe")], ("a", "b"), range(seeds))
        (scores,) = (s for s in build_report(find(in_memory(study), Options(resamples=200))).sections if s.key == "scores")
        (main, *_) = (item for item in scores.items if isinstance(item, Table))
        assert sum(shown.key == "scores_sd" for shown in main.terminal) == count


def test_a_table_of_more_numbers_than_80_columns_hold_is_wider() -> None:
    lines = table_lines(table(columns("arm", *(f"task{n}" for n in range(20))), ("x", *["12.3"] * 20)))
    assert lines[-1].split() == ["x", *["12.3"] * 20]


def test_numbers_are_aligned_right_and_the_best_has_a_star() -> None:
    shown = Table("t", "T", columns("arm", "task"), (row("a", "1.0"), row("bb", "-10.0")), pd.DataFrame())
    assert [line[-5:] for line in table_lines(shown)[-2:]] == ["  1.0", "-10.0"]
    report = build_report(find(in_memory(SyntheticStudy([SyntheticArm("random")], ("a",), range(2))), Options(resamples=200)))
    (line,) = (line for line in to_terminal(report, ("scores",)).splitlines() if line.startswith("random  ") and "±" in line)
    assert line.count("*") == 1
    assert "*: the best mean as printed" in to_terminal(report, ("scores",))
    assert "Bold" not in to_terminal(report, ("scores",))


def test_a_long_text_is_wrapped_and_all_of_it_is_there() -> None:
    heads = (Column("arm", numeric=False), Column("cells"), Column("why", numeric=False))
    shown = table(heads, ("tcs", "12", "because " * 30 + "y" * 200))
    lines = table_lines(shown)
    assert max(map(len, lines)) <= 80
    assert "".join(lines).count("because") == 30
    assert "".join(lines).count("y") == 200 + 1


def test_what_others_wrote_is_no_markup() -> None:
    assert table_lines(table(columns("arm"), ("[red]x[/red] :smile: \x1b[31m",)))[-1] == "[red]x[/red] :smile: \\x1b[31m"
