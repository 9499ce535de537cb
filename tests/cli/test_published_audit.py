"""The audit of the published system as a user meets it: the command, its forecast, its page, and its replay without an LLM."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Cli
from support.commands import environment, records, run

from harness.cli.forecast import ASSUMED_SECONDS, measured_seconds
from harness.testing.servers.ollama_api import OllamaDouble

AUDIT = (
    "+experiment=published_audit",
    "task=toy",
    "task.metric.name=accuracy",
    "tracking=off",
    "progress=off",
    "seeds=1",
    "budget=3",
)
NINE_AND_MORE = 17


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("audit")
    with OllamaDouble() as double:
        ran = run([*AUDIT, f"llm.base_url={double.url}"], folder)
    assert ran.returncode == 0, ran.stderr
    return folder, ran.stderr


@pytest.mark.full
def test_it_runs_the_switches_one_at_a_time_beside_other_arms(audited: tuple[Path, str]) -> None:
    arms = {path.name for path in (audited[0] / "runs" / "published-audit" / "toy").iterdir()}
    assert len(arms) == NINE_AND_MORE
    assert {"published_qwen", "published[after_rules=alone]", "tcs_qwen", "raw_qwen", "rules", "random+default"} <= arms
    assert {"published_qwen[curve=none]", "published_qwen[window=4096]", "published_qwen[repair=strict]"} <= arms


@pytest.mark.full
def test_it_says_before_it_starts_how_many_calls_it_makes(audited: tuple[Path, str]) -> None:
    # Eleven arms of the system with five calls each, and two of the harness's own agent with three.
    said = re.search(r"(\d+) cells will make (\d+) calls to qwen2.5-coder:32b: about (.*), at 30 s a call \(assumed", audited[1])
    assert said is not None
    assert (said[1], said[2], said[3]) == ("13", "61", "0.5 hours")
    assert ASSUMED_SECONDS == 30.0


@pytest.mark.full
def test_its_page_answers_and_withholds_what_a_double_said(audited: tuple[Path, str]) -> None:
    command = [sys.executable, "-m", "harness.report", "runs/published-audit", "report.resamples=200"]
    made = subprocess.run(command, cwd=audited[0], capture_output=True, text=True, env=environment(), check=False)
    assert made.returncode == 0, made.stderr
    page = (audited[0] / "runs" / "published-audit" / "report" / "report.md").read_text()
    for question in ("Do the hidden rules alone explain the gain?", "Is the target a leak?"):
        assert f"**{question}** Withheld." in page
    assert "came from a test double" in page
    assert "What the LLM really chose" in page


@pytest.mark.full
def test_a_replay_without_the_llm_is_equal_but_for_seconds(audited: tuple[Path, str]) -> None:
    ran = run([*AUDIT, "llm.replay=runs/published-audit", "study=again"], audited[0])
    assert ran.returncode == 0, ran.stderr
    first, again = (records(audited[0] / "runs" / study) for study in ("published-audit", "again"))
    assert len(first) == NINE_AND_MORE
    assert again == first
    assert "calls to" not in ran.stderr  # nothing is asked


def test_a_sweep_says_how_many_calls_it_makes(cli: Cli) -> None:
    with OllamaDouble() as double:
        common = ["task=toy", "optimizer=published_qwen", "tracking=off", "progress=off", "budget=1", "seed=0,1", "-m"]
        asked = cli(*common, f"llm.base_url={double.url}")
    assert asked.status == 0, asked.err
    assert "2 cells will make 2 calls to qwen2.5-coder:32b: about 1 min 0 s, at 30 s a call (assumed" in asked.err


@pytest.mark.full
def test_seconds_of_a_double_are_no_measurement(audited: tuple[Path, str]) -> None:
    assert measured_seconds(audited[0] / "runs", "qwen2.5-coder:32b") is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["optimizer=random", "published.previous=real"], "published.previous: random would not use it"),
        (
            ["optimizer=published_qwen", "published.previous=reel"],
            "published.previous=reel: give itself or real; did you mean 'real'?",
        ),
        (
            ["optimizer=published", "published.after_rules=alone", "published.curve=none"],
            "published.curve: published would not use it",
        ),
        (
            ["task=digits", "optimizer=published_qwen", "evaluator=table"],
            "does not run on recorded trainings: the hidden rules multiply",
        ),
        (
            ["task=digits", "optimizer=published", "published.after_rules=alone", "evaluator=table"],
            "does not run on recorded trainings",
        ),
        (["optimizer=published_qwen", "published.afterrules=on"], "afterrules"),
        (["optimizer=published_qwen", "agent.attempts=5"], "agent.attempts: published would not use it"),
        (["optimizer=tcs_qwen", "published.score=best"], "published.score: tcs would not use it"),
    ],
)
def test_a_switch_that_makes_no_sense_is_one_line(cli: Cli, arguments: list[str], words: str) -> None:
    ran = cli("task=toy", "tracking=off", *arguments)
    lines = [line for line in ran.err.splitlines() if line.startswith("harness:")]
    assert ran.status == 2, ran.err
    assert len(lines) == 1
    assert words in lines[0]


def test_a_key_that_experiment_and_command_both_sweep_names_a_row_once(cli: Cli, tmp_path: Path) -> None:
    conf = tmp_path / "conf" / "experiment"
    conf.mkdir(parents=True)
    (conf / "two.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {published.score: 'last,best'}}}\n"
    )
    rest = ["optimizer=published", "published.after_rules=alone", "task=toy", "tracking=off", "progress=off", "budget=1"]
    ran = cli("+experiment=two", *rest, "published.score=last,best", "-m")
    assert ran.status == 0, ran.err
    assert {path.name for path in (tmp_path / "runs/main/toy").iterdir()} == {"published[score=last]", "published[score=best]"}
