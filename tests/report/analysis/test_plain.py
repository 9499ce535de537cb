"""Every arm is described in plain words, from its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.report.analysis.arms import Arm
from harness.report.analysis.plain import FOREIGN, READS, TUNERS, described, plain

CONF = Path(__file__).resolve().parents[3] / "conf" / "optimizer"
OWN = "harness.optimizers."


def arm(
    role: str, method: str = "", options: dict[str, Any] | None = None, agent: dict[str, Any] | None = None, **more: Any
) -> Arm:
    setting = {"optimizer": {"options": options or {}}, "agent": agent or {}}
    return Arm("any", role=role, method=f"{OWN}{method}" if method else "", setting=setting, budget=10, **more)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (arm("rules"), "fixed rules that read the summary"),
        (
            arm("rules", options={"names": "anonymous", "outcomes": "real"}, start="default"),
            "fixed rules that read the summary, without knowledge of hyperparameters by name, after the default configuration",
        ),
        (arm("rules", options={"outcomes": "shuffled"}), "fixed rules that read a summary with shuffled outcomes"),
        (arm("random", start="default"), "random search, after the default configuration"),
        (arm("default", start="default"), "the default configuration alone, without a search"),
        (arm("tuner", "tpe.TPE", startup_trials=3), "Optuna's TPE, after 3 random trials"),
        (
            arm("tuner", "optuna_gp.OptunaGP", startup_trials=5, start="default"),
            "Optuna's Gaussian process, after the default configuration and 4 random trials",
        ),
        (
            arm("tuner", "tpe.TPE", startup_trials=10),
            "Optuna's TPE; but all 10 trials are its start-up trials, so it is random search under another name",
        ),
        (
            arm("tuner", "pibo.pibo.PiBO", startup_trials=3),
            "Optuna's Gaussian process with a prior at the default (piBO), after 3 draws from its prior",
        ),
        (
            arm("tuner", "hybrid.rules_gp.RulesGP", {"startup": "rules", "startup_length": 3}),
            "fixed rules for the first 3 trials, then Optuna's Gaussian process",
        ),
        (
            arm("tuner", "selector.select_first.SelectFirst", {"candidates": 5}),
            "the first of 5 candidates that other methods propose, without an LLM",
        ),
        (
            arm("llm", context="tcs", llm="phi4", small=True, start="default"),
            "the small LLM phi4, which reads the summary of the trials (TCS), after the default configuration",
        ),
        (arm("llm", context="raw", llm="gpt4"), "the LLM gpt4, which reads the raw log of every trial"),
        (
            arm("llm", context="tcs", llm="gpt4", agent={"names": "anonymous"}),
            "the LLM gpt4, which reads the summary of the trials (TCS), without the names of the hyperparameters",
        ),
        (
            arm("llm", context="shuffled", llm="gpt4", agent={"form": "table"}),
            "the LLM gpt4, which completes the next line of a table of trials with shuffled scores",
        ),
        (
            arm("llm", "selector.agent.Selector", {"candidates": 5}, context="blind", llm="gpt4"),
            "the LLM gpt4, which chooses among 5 candidates that other methods propose, and reads its own past proposals and no result",
        ),
        (
            arm("llm", context="tcs", llm="gpt4", options={"startup_length": 3}, agent={"turns": "tcs_gp"}),
            "the LLM gpt4, which reads the summary of the trials (TCS), for the first 3 trials, then Optuna's Gaussian process",
        ),
        (
            arm("llm", context="tcs", llm="gpt4", options={"share": 0.5, "optimizer": "tpe"}, agent={"turns": "llm_share"}),
            "the LLM gpt4, which reads the summary of the trials (TCS), on 50 % of the trials, and Optuna's TPE on the others",
        ),
        (Arm("any"), "not started"),
    ],
)
def test_an_arm_is_described_by_its_settings(one: Arm, words: str) -> None:
    assert described(one) == words


def test_a_start_is_no_part_of_the_short_words() -> None:
    assert plain(arm("tuner", "tpe.TPE", startup_trials=3, start="default")) == "Optuna's TPE"


def test_given_trials_are_said_and_count_as_start_up_trials() -> None:
    given = replace(arm("tuner", "tpe.TPE", startup_trials=3), given={"digits": "x"}, given_trials=4)
    assert described(given) == "Optuna's TPE, after given trials"


def test_a_method_from_elsewhere_is_not_named_by_its_class() -> None:
    foreign = Arm("any", role="tuner", method="mine.of.Class")
    assert plain(foreign) == FOREIGN
    assert "Class" not in described(foreign)


def test_every_method_of_the_harness_has_words() -> None:
    settings = [yaml.safe_load(path.read_text()) for path in sorted(CONF.glob("*.yaml"))]
    tuners = {entry["_target_"] for entry in settings if entry.get("role") == "tuner"}
    contexts = {entry["context"] for entry in settings if entry.get("context")}
    assert len(tuners) > 10
    assert tuners <= set(TUNERS)
    assert contexts <= set(READS)
