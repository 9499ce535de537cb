from __future__ import annotations

import copy
import json
import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import SettingsError
from harness.space import Space
from harness.tcs import ALL_BLOCKS, Format, Summary, estimate_tokens, render, summarize, token_bound
from harness.tcs.blocks.parameters import Parameters
from harness.tcs.blocks.phase import Phase
from harness.tcs.blocks.status import SearchStatus
from harness.testing import trajectories as made
from harness.trial import Trajectory

ROOT = Path(__file__).parents[2]
ANY = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


def strict(text: str) -> dict[str, Any]:
    """Read JSON as the standard has it: no NaN or infinity, no name twice."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs), pairs
        return dict(pairs)

    read: dict[str, Any] = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    return read


def columns_of(row: str) -> int:
    """Count the cells of a Markdown row; an escaped pipe is no border."""
    assert row.startswith("|"), row
    assert row.endswith("|"), row
    return len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) - 1


def assert_well_formed_markdown(text: str) -> None:
    for part in text.split("\n\n"):
        rows = [line for line in part.splitlines() if line.startswith("|")]
        if rows:
            assert rows == part.splitlines(), "a table stands alone"
            assert re.fullmatch(r"\|(---\|)+", rows[1])
            assert {columns_of(row) for row in rows} == {columns_of(rows[0])}


def assert_valid(text: str, form: Format, trials: int) -> None:
    assert estimate_tokens(text) <= token_bound(trials)
    assert all(c.isprintable() or c == "\n" for c in text)
    text.encode()
    if form is Format.JSON:
        strict(text)
    if form is Format.MARKDOWN:
        assert_well_formed_markdown(text)


@ANY
@given(data=st.data())
def test_any_trajectory_gives_a_valid_bounded_summary_that_is_the_same_to_the_byte(data: st.DataObject) -> None:
    space = data.draw(made.spaces())
    trajectory, budget = data.draw(made.trajectories(space)), data.draw(st.integers(1, 80))
    summary = summarize(space, trajectory, budget)
    again = summarize(copy.deepcopy(space), copy.deepcopy(trajectory), budget)
    for form in Format:
        text = render(summary, form)
        assert_valid(text, form, len(trajectory))
        assert render(again, form) == text


@settings(ANY, max_examples=15)
@given(data=st.data())
def test_removing_a_block_removes_just_its_section(data: st.DataObject) -> None:
    space = data.draw(made.spaces(most=5))
    trajectory = data.draw(made.trajectories(space, most=10))
    whole = summarize(space, trajectory, 10)
    for name in ALL_BLOCKS:
        rest = summarize(space, trajectory, 10, [block for block in ALL_BLOCKS if block != name])
        assert rest.sections == tuple(s for s in whole.sections if s.name != name) or repr(rest.sections) == repr(
            tuple(s for s in whole.sections if s.name != name)
        )


def a_summary(blocks: tuple[str, ...] = ALL_BLOCKS) -> Summary:
    pairs = [(made.config(layers=n % 5 + 1, learning_rate=10.0 ** -(n % 4 + 1)), 60.0 + 3 * n) for n in range(6)]
    return summarize(made.SPACE, made.trajectory(*pairs, (made.config(learning_rate=1.0), None)), 10, blocks)


@pytest.mark.parametrize("name", ALL_BLOCKS)
def test_the_text_without_a_block_is_the_text_with_its_section_cut_out(name: str) -> None:
    rest = tuple(block for block in ALL_BLOCKS if block != name)
    sections = render(a_summary()).rstrip("\n").split("\n\n")
    kept = [section for section in sections if not section.startswith(f"[{name.replace('_', ' ')}]")]
    assert len(kept) == len(sections) - 1
    assert render(a_summary(rest)) == "\n\n".join(kept) + "\n"
    assert set(strict(render(a_summary(rest), Format.JSON))) == set(rest)


def test_sections_stand_in_the_order_of_the_blocks() -> None:
    assert list(strict(render(a_summary(("phase", "status")), Format.JSON))) == ["phase", "status"]


def test_an_empty_trajectory_says_so_and_names_the_budget() -> None:
    text = render(summarize(made.SPACE, Trajectory(), 10))
    assert "0 of 10, 10 left" in text
    assert "no trial yet" in text
    assert strict(render(summarize(made.SPACE, Trajectory(), 10), Format.JSON))["status"]["trials"] == {
        "done": 0,
        "budget": 10,
        "left": 10,
    }


def test_a_section_is_fetched_by_its_type() -> None:
    summary = a_summary(("status", "phase"))
    status, phase = summary.get(SearchStatus), summary.get(Phase)
    assert status is not None
    assert status.done == 7
    assert phase is not None
    assert summary.get(Parameters) is None


@pytest.mark.parametrize(
    ("blocks", "complaint"),
    [(("status", "curvs"), "did you mean 'curves'"), (("status", "status"), "named twice"), ((), "at least one block")],
)
def test_a_wrong_list_of_blocks_is_refused_in_one_line(blocks: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        summarize(made.SPACE, Trajectory(), 10, blocks)


def test_an_unknown_format_is_refused_with_the_near_name() -> None:
    with pytest.raises(SettingsError, match="did you mean 'markdown'"):
        render(a_summary(), "markdwn")


def test_the_names_of_the_space_are_the_only_names() -> None:
    renamed = {"learning_rate": "h1", "batch_size": "h2", "optimizer": "h3", "momentum": "h4", "layers": "h5"}
    entries = {renamed[name]: entry for name, entry in made.SPACE.to_mapping().items()}
    entries["h4"]["when"] = {"h3": ["sgd"]}
    hidden = Space.from_mapping(entries)
    configs = [made.config(layers=n % 5 + 1, optimizer=("sgd", "adam", "rmsprop")[n % 3]) for n in range(8)]
    scores = [60.0 + n if n != 5 else None for n in range(8)]
    shown = made.trajectory(*[({renamed[k]: v for k, v in c.items()}, s) for c, s in zip(configs, scores, strict=True)])
    text = render(summarize(hidden, shown, 10))
    real = render(summarize(made.SPACE, made.trajectory(*zip(configs, scores, strict=True)), 10))
    assert not [name for name in renamed if name in text]
    for name, short in renamed.items():
        real = real.replace(name, short)
    assert text == real


def test_names_that_look_alike_when_shortened_stay_apart() -> None:
    long = "a_very_long_name_of_a_hyperparameter_that_ends_in_"
    space = Space.from_mapping(
        {f"{long[:40]}{i}{long[40:]}": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m"} for i in range(4)}
    )
    config = space.default()
    summary = strict(render(summarize(space, made.trajectory((config, 50.0)), 10), Format.JSON))
    assert len(summary["status"]["incumbent_config"]) == 4


def test_a_markdown_cell_keeps_its_pipes_and_backslashes_inside_the_cell() -> None:
    trials = made.trajectory((made.config(), made.failed("path C:\\new\\|pipe| at `x`\\")), (made.config(), 50.0))
    text = render(summarize(made.SPACE, trials, 10, ("failures",)), Format.MARKDOWN)
    assert_well_formed_markdown(text)
    assert r"path C:\\new\\\|pipe\| at `x`\\" in text


@pytest.mark.parametrize("form", list(Format))
def test_what_is_cut_out_of_a_very_wide_space_is_counted(form: Format) -> None:
    space = Space.from_mapping(
        {f"hyperparameter_{i}": {"type": "float", "low": 0, "high": 1, "default": 0.5, "meaning": "m"} for i in range(200)}
    )
    text = render(summarize(space, made.trajectory((space.default(), 50.0)), 10), form)
    assert_valid(text, form, 1)
    rows = len(re.findall(r"hyperparameter_\d+", text.partition("parameters")[2]))
    assert rows > 0
    assert re.search(r'\.\. \d+ more|"\d+ more"|"more":\d+', text)


@pytest.mark.parametrize(("trials", "epochs"), [(1, 100), (3, 100), (10, 100), (100, 20), (1000, 20)])
def test_fourteen_hyperparameters_stay_within_the_bound_at_any_number_of_trials(trials: int, epochs: int) -> None:
    bench = runpy.run_path(str(ROOT / "scripts" / "bench" / "tcs.py"))
    space = Space.from_mapping(bench["SPACE"])
    summary = summarize(space, bench["trajectory_of"](space, trials, epochs), trials + 5)
    for form in Format:
        text = render(summary, form)
        assert_valid(text, form, trials)
        assert all(name in text.partition("parameters")[2] for name in space.names), "no hyperparameter is cut out"


def test_the_bound_grows_slowly_with_the_trials() -> None:
    assert [token_bound(n) for n in (0, 1, 10, 100, 1000, 10**6)] == [1500, 1500, 1500, 2000, 2500, 2500]


def test_a_thousand_long_trials_are_summarised_in_well_under_a_second() -> None:
    bench = runpy.run_path(str(ROOT / "scripts" / "bench" / "tcs.py"))
    space = Space.from_mapping(bench["SPACE"])
    trajectory = bench["trajectory_of"](space, 250, 200)
    start = time.process_time()
    render(summarize(space, trajectory, 300))
    # A quarter of a thousand; the goal is 250 ms for all of them (scripts/bench/tcs.py), and this machine may be slow and busy.
    assert time.process_time() - start < 0.4


def test_the_summary_is_the_same_in_another_process_with_another_hash_seed() -> None:
    program = (
        "from harness.testing import trajectories as made; from harness import Format, keyed_random, render, summarize\n"
        "pairs = [(made.SPACE.sample(keyed_random(1, 'x', n)), 50 + (n * 37 % 41) if n % 6 else None) for n in range(12)]\n"
        "s = summarize(made.SPACE, made.trajectory(*pairs), 20)\n"
        "print(*(render(s, form) for form in Format))"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 5_000


def test_importing_the_summarizer_imports_no_heavy_library() -> None:
    program = "import harness.tcs, sys; print([m for m in ('numpy', 'scipy', 'torch', 'statistics') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
