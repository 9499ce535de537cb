"""The best configuration of each arm, against cells written by hand."""

from __future__ import annotations

import json
from dataclasses import replace

from report.sections.test_sections import OPTIONS, SPACE, study, trial

from harness.report.compute import find
from harness.report.render.document import Section, Table, Verbatim
from harness.report.render.terminal import COLUMNS, natural_width, table_lines
from harness.report.sections.configurations.best import configurations_section, in_words
from harness.report.study_data import CellData, State
from harness.space import Config
from harness.trial import Direction, Objective

DEFAULT = SPACE.default()
GOOD: Config = {"lr": 0.1, "layers": 2, "kind": "b"}
OTHER: Config = {"lr": 0.5, "layers": 4, "kind": "a"}


def cell(arm: str, seed: int, *trials: tuple[float | None, Config], lower: bool = False) -> CellData:
    objective = Objective("rmse", Direction.MINIMIZE, "k$", 0.9) if lower else Objective()
    task = {"space": SPACE.to_mapping(), "objective": objective.to_mapping()}
    manifest = {"identity": {"optimizer": {"_target_": "a.Random"}, "task": task}, "settings": {"optimizer": {"role": "random"}}}
    made = tuple(trial(place, score, config) for place, (score, config) in enumerate(trials, start=1))
    return CellData("t", arm, seed, len(made), f"{arm}{seed}", "", state=State.DONE, trials=made, manifest=manifest)


def section_of(*cells: CellData) -> tuple[Section, dict[str, Table]]:
    section = configurations_section(find(study(*cells), OPTIONS))
    return section, {item.key: item for item in section.walk() if isinstance(item, Table)}


def texts(table: Table) -> list[list[str]]:
    return [[text.text for text in line] for line in table.rows]


def test_the_best_seed_is_that_of_validation_the_first_on_a_tie_and_changes_from_the_default_are_bold() -> None:
    section, tables = section_of(
        cell("x", 0, (50.0, DEFAULT), (60.0, OTHER)),
        cell("x", 1, (70.0, GOOD), (None, OTHER)),
        cell("x", 2, (55.0, OTHER), (70.0, GOOD)),
        cell("y", 0, (65.0, DEFAULT), (64.0, GOOD)),
    )
    table = tables["configurations_1"]
    assert [column.title for column in table.columns][3:6] == list(SPACE.names)
    assert table.columns[3].hint == "float from 0.0001 to 1, log scale"
    assert texts(table) == [
        ["x", "70.00", "69.00", "0.1", "2", "b", "1", "1", "optimizer", "2 of 3"],
        ["y", "65.00", "64.00", "0.01", "2", "a", "0", "1", "optimizer", "1 of 1"],
        ["the default", "–", "–", "0.01", "2", "a", "–", "–", "–", "–"],
    ]
    assert [[text.strong for text in line[1:6]] for line in table.rows[:2]] == [[True, False, True, False, True], [False] * 5]
    assert texts(tables["configurations"])[0] == ["t", "70.00", "69.00", "lr=0.1, kind=b; as the default: layers=2", "x"]
    (paste,) = (item for item in section.walk() if isinstance(item, Verbatim))
    assert json.loads(paste.text) == GOOD


def test_the_csv_has_every_cell_in_full() -> None:
    exact = {**OTHER, "lr": 0.123456789}
    _, tables = section_of(cell("x", 0, (50.0, DEFAULT), (60.0, exact)), cell("x", 1, (70.0, GOOD)), cell("y", 0, (None, GOOD)))
    data = tables["configurations"].data
    assert data[["arm", "seed", "trial", "score", "best_of_arm"]].to_numpy().tolist() == [
        ["x", 0, 2, 60.0, False],
        ["x", 1, 1, 70.0, True],
    ]
    assert data[[f"config.{name}" for name in SPACE.names]].to_numpy().tolist()[0] == list(exact.values())
    assert tables["configurations_1"].data["seed"].tolist() == [1]


def test_the_lowest_score_is_the_best_one_where_lower_is_better() -> None:
    _, tables = section_of(cell("x", 0, (5.0, OTHER), lower=True), cell("x", 1, (3.0, GOOD), (4.0, OTHER), lower=True))
    assert texts(tables["configurations_1"])[0][:4] == ["x", "3.00", "2.00", "0.1"]
    assert tables["configurations_1"].title.startswith("t, k$, lower is better: ")


def test_a_wide_table_has_one_for_the_terminal_and_a_study_without_scores_one_line() -> None:
    _, tables = section_of(cell("an_arm_with_a_long_name+default", 0, (50.0, GOOD)))
    wide = tables["configurations_1"]
    (narrow,) = wide.terminal
    assert natural_width(wide) > COLUMNS
    assert max(map(len, table_lines(narrow))) <= COLUMNS
    section, _ = section_of(cell("x", 0, (None, GOOD)))
    assert section.items == ("No training of a finished cell has a score.",)


def test_cells_without_a_space_are_shown_by_what_they_trained() -> None:
    bare = cell("x", 0, (50.0, {"made_up": True, "rate": 1e-7}))
    bare = replace(bare, manifest={"identity": {"optimizer": {"_target_": "a.Random"}}, "settings": {}})
    _, tables = section_of(bare)
    assert texts(tables["configurations_1"]) == [["x", "50.00", "49.00", "true", "1e-07", "0", "1", "optimizer", "1 of 1"]]
    assert in_words(GOOD, GOOD) == "nothing changed; as the default: lr=0.1, layers=2, kind=b"
