"""What is compared with what is read from the manifests, never from the arms' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from report.conftest import in_memory

from harness.report.analysis.arms import Arm, arms_of, mixed_arms
from harness.report.analysis.families import Contrast, contrasts_of
from harness.report.analysis.frames import rows_by
from harness.report.analysis.options import Options
from harness.report.compute import find
from harness.report.sections.contrasts import p_text, pairs_text
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm

DEFAULT: dict[str, Any] = {"start": "default"}
TPE: dict[str, Any] = {"role": "tuner", "target": "x.Tpe"}


def found(*arms: SyntheticArm) -> set[tuple[str, str, str]]:
    study = in_memory(SyntheticStudy(list(arms), ("a",), (0,)))
    return {(c.family, c.first, c.second) for c in contrasts_of(arms_of(study)) if c.family != "first"}


def test_the_tcs_is_compared_with_every_other_context_of_the_same_llm_and_start() -> None:
    contexts = ("tcs", "raw", "scores", "blind", "shuffled")
    arms = [llm_arm(f"x{n}", "phi4", context) for n, context in enumerate(contexts)]
    others = [llm_arm("other", "qwen", "raw"), llm_arm("started", "phi4", "raw", **DEFAULT)]
    pairs = {("context", "x0", f"x{n}") for n in range(1, 5)}
    assert found(*arms, *others) == pairs | {("start", "started", "x1")}


def test_names_that_lie_change_nothing() -> None:
    assert found(llm_arm("raw_phi4", "phi4", "tcs"), llm_arm("tcs_phi4", "phi4", "raw")) == {("context", "raw_phi4", "tcs_phi4")}


def test_arms_that_differ_in_two_things_are_not_compared() -> None:
    one = llm_arm("one", "phi4", "tcs")
    two = replace(llm_arm("two", "phi4", "raw"), agent={"context": "raw", "calls": "two", "names": "real"})
    assert found(one, two) == set()


def test_the_step_of_the_raw_log_is_no_difference_of_its_own() -> None:
    raw = replace(llm_arm("raw", "phi4", "raw"), agent={"context": "raw", "calls": "one", "names": "real", "log_every": 5})
    assert found(llm_arm("tcs", "phi4", "tcs"), raw) == {("context", "tcs", "raw")}


def test_real_names_are_compared_with_anonymous_ones() -> None:
    hidden = replace(llm_arm("hidden", "phi4", "tcs"), agent={"context": "tcs", "calls": "one", "names": "anonymous"})
    assert found(llm_arm("named", "phi4", "tcs"), hidden) == {("names", "named", "hidden")}


def test_the_task_s_own_card_is_compared_with_the_renamed_one_and_never_across_contexts() -> None:
    plain, hidden = llm_arm("tcs", "phi4", "tcs"), llm_arm("tcs+renamed", "phi4", "tcs", renamed=True)
    assert found(plain, hidden, llm_arm("raw", "phi4", "raw", renamed=True)) == {
        ("card", "tcs", "tcs+renamed"),
        ("context", "tcs+renamed", "raw"),
    }


def test_rules_with_textbooks_stand_against_rules_without() -> None:
    rules = [SyntheticArm(f"r-{n}", role="rules", options={"names": n}) for n in ("real", "anonymous")]
    assert found(*rules) == {("parts", "r-real", "r-anonymous")}


def test_rules_stand_against_rules_that_lack_one_thing_and_an_llm_against_rules_that_see_what_it_sees() -> None:
    rules: dict[str, Any] = {"role": "rules"}
    arms = [
        SyntheticArm("rules", **rules),
        SyntheticArm("anonymous", options={"names": "anonymous"}, **rules),
        SyntheticArm("shuffled", options={"names": "real", "outcomes": "shuffled"}, **rules),
        SyntheticArm("neither", options={"names": "anonymous", "outcomes": "shuffled"}, **rules),
        SyntheticArm("shuffled+default", options={"outcomes": "shuffled"}, **DEFAULT, **rules),
        llm_arm("tcs", "phi4", "tcs"),
        replace(llm_arm("hidden", "phi4", "tcs"), agent={"context": "tcs", "calls": "one", "names": "anonymous"}),
    ]
    pairs = found(*arms)
    assert {pair for pair in pairs if pair[0] == "parts"} == {("parts", "rules", "anonymous"), ("parts", "rules", "shuffled")}
    assert {pair for pair in pairs if pair[0] == "rules"} == {("rules", "tcs", "rules"), ("rules", "hidden", "anonymous")}


def unlike(*arms: SyntheticArm) -> list[tuple[str, str]]:
    study = in_memory(SyntheticStudy(list(arms), ("a",), (0,)))
    return [(f"{c.first} - {c.second}", c.unlike) for c in contrasts_of(arms_of(study)) if c.family == "random"]


def test_an_arm_that_knows_the_default_leads_against_random_search_only_where_both_start_from_it() -> None:
    rules: dict[str, Any] = {"role": "rules"}
    arms = [SyntheticArm("rules", **rules), SyntheticArm("random"), SyntheticArm("tpe", role="tuner")]
    assert unlike(*arms) == [
        ("tpe - random", ""),
        (
            "rules - random",
            "rules knows the default configuration, random does not: compare rules+default with random+default, "
            "for which rules+default and random+default must run",
        ),
    ]
    started = [SyntheticArm("random from it", **DEFAULT), SyntheticArm("rules from it", **rules, **DEFAULT)]
    assert unlike(*arms, *started) == [
        ("rules from it - random from it", ""),
        ("tpe - random", ""),
        (
            "rules - random",
            "rules knows the default configuration, random does not: compare rules from it with random from it",
        ),
    ]


def test_what_an_arm_is_comes_from_its_settings_and_for_older_records_from_its_method() -> None:
    arms = [SyntheticArm("random"), SyntheticArm("own", role="tuner", target="x.Random"), SyntheticArm("rules", role="rules")]
    study = in_memory(SyntheticStudy([*arms, llm_arm("raw", "p", "raw")], ("a",), (0,)))

    def described(optimizer: Mapping[str, Any]) -> list[tuple[str, bool]]:
        manifests = [{**c.manifest, "settings": {"optimizer": dict(optimizer)}} for c in study.cells]
        cells = tuple(replace(c, manifest=manifest) for c, manifest in zip(study.cells, manifests, strict=True))
        return [(arm.role, arm.knows_default) for arm in arms_of(replace(study, cells=cells)).values()]

    recorded = [("random", False), ("tuner", False), ("rules", True), ("llm", True)]
    assert [(arm.role, arm.knows_default) for arm in arms_of(study).values()] == recorded
    assert described({}) == recorded
    assert described({"role": "tuner", "knows_default": True}) == [("tuner", True)] * 4
    assert described({"role": "no such role"}) == recorded


def test_the_rules_stand_against_the_tcs_from_the_same_start() -> None:
    rules = [SyntheticArm(f"r{start}", role="rules", start=start) for start in ("none", "default")]
    pairs = {pair for pair in found(*rules, llm_arm("tcs", "phi4", "tcs", **DEFAULT)) if pair[0] == "rules"}
    assert pairs == {("rules", "tcs", "rdefault")}


def test_every_method_is_compared_with_and_without_the_default_start() -> None:
    arms = [
        SyntheticArm("p", **TPE),
        SyntheticArm("q", **TPE, **DEFAULT),
        llm_arm("l", "phi4", "raw"),
    ]
    arms += [llm_arm("m", "phi4", "raw", **DEFAULT), SyntheticArm("other", role="tuner", target="x.Gp", **DEFAULT)]
    assert found(*arms) == {("start", "q", "p"), ("start", "m", "l")}


def test_methods_stand_against_random_search_from_their_own_start() -> None:
    arms = [
        SyntheticArm("random"),
        SyntheticArm("random+default", **DEFAULT),
        SyntheticArm("tpe", **TPE, **DEFAULT),
    ]
    only = SyntheticArm("only", role="default", **DEFAULT)
    assert found(*arms, only) == {("start", "random+default", "random"), ("random", "tpe", "random+default")}


def test_few_start_up_trials_stand_against_more() -> None:
    arms = [
        SyntheticArm("tpe", **TPE, startup_trials=3),
        SyntheticArm("tpe10", **TPE, startup_trials=10),
    ]
    assert found(*arms) == {("startup", "tpe", "tpe10")}


def test_every_arm_is_compared_with_its_own_first_trial() -> None:
    study = in_memory(SyntheticStudy([SyntheticArm("random", failure_rate=0.0)], ("a", "b"), range(3)))
    assert Contrast("first", "random", "random") in set(contrasts_of(arms_of(study)))
    entry = rows_by(find(study, Options(resamples=200)).contrasts, "family")["first",]
    gains = [c.trials and max(t.score or 0 for t in c.trials) - (c.trials[0].score or 0) for c in study.cells]
    assert entry["difference"] == pytest.approx(sum(gains) / len(gains))  # type: ignore[arg-type]


def test_a_first_trial_that_failed_gives_no_pair_and_is_counted() -> None:
    study = in_memory(SyntheticStudy([SyntheticArm("random", failure_rate=0.6)], ("a",), range(8)))
    lost = sum(not cell.trials[0].outcome.ok for cell in study.cells)
    entry = rows_by(find(study, Options(resamples=200)).contrasts, "family")["first",]
    assert 0 < lost < 8
    assert (entry["pairs"], entry["lacking"]) == (8 - lost, lost)


def test_no_star_is_given_below_what_the_number_of_pairs_can_reach() -> None:
    arms = [llm_arm("tcs", "phi4", "tcs", 5.0), llm_arm("raw", "phi4", "raw", 0.0)]
    few = find(in_memory(SyntheticStudy(arms, ("a",), range(4))), Options(resamples=200, reference="raw"))
    entry = rows_by(few.contrasts, "family")["context",]
    assert entry["wins"] == 4
    assert not entry["reachable"]
    assert p_text(entry["p_holm"], entry["reachable"]) == "too few"
    more = find(in_memory(SyntheticStudy(arms, ("a",), range(6))), Options(resamples=200, reference="raw"))
    entry = rows_by(more.contrasts, "family")["context",]
    assert p_text(entry["p_holm"], entry["reachable"]) == "< 0.001 *"


def test_an_arm_made_with_two_settings_is_named() -> None:
    study = in_memory(SyntheticStudy([SyntheticArm("random")], ("a", "b"), (0,)))
    first, second = study.cells
    identity = {**second.identity, "budget": 99}
    mixed = replace(study, cells=(first, replace(second, manifest={**second.manifest, "identity": identity})))
    assert mixed_arms(study) == []
    (line,) = mixed_arms(mixed)
    assert line == "arm random: its cells were made with 2 different settings (e.g. a/random/seed0 and b/random/seed0)"


def test_that_each_task_has_its_card_makes_no_second_arm_but_a_renamed_card_does() -> None:
    study = in_memory(SyntheticStudy([llm_arm("x", "phi4", "tcs")], ("a", "b"), (0,)))
    first, second = study.cells
    assert first.identity["card"] != second.identity["card"]
    assert mixed_arms(study) == []
    settings = {**second.settings, "task": {**second.settings["task"], "renamed": True}}
    renamed = replace(second, manifest={**second.manifest, "settings": settings})
    assert len(mixed_arms(replace(study, cells=(first, renamed)))) == 1


def test_arms_are_described_from_their_manifests() -> None:
    arms = arms_of(
        in_memory(
            SyntheticStudy(
                [llm_arm("x", "phi4", "tcs", **DEFAULT), SyntheticArm("y", role="tuner", target="a.b.Tpe")], ("a",), (0,)
            )
        )
    )
    assert (arms["x"].role, arms["y"].role, Arm("z").role) == ("llm", "tuner", "")


def test_a_row_says_on_how_many_pairs_and_tasks_it_rests() -> None:
    arms = [llm_arm("tcs", "phi4", "tcs"), llm_arm("raw", "phi4", "raw")]
    gone = [("tcs", "a", 0), *(("raw", "b", seed) for seed in range(3))]
    found = find(in_memory(SyntheticStudy(arms, ("a", "b", "c"), range(3)), gone), Options(resamples=200, reference="raw"))
    assert pairs_text(rows_by(found.contrasts, "family")["context",]) == "5 of 9, in 2 of 3 tasks"


def test_a_hybrid_of_an_llm_is_not_compared_as_an_agent_that_proposes_every_trial() -> None:
    tcs, hybrid = (llm_arm(name, "phi4", "tcs", **DEFAULT) for name in ("tcs", "hybrid"))
    study = in_memory(SyntheticStudy([tcs, hybrid, SyntheticArm("rules", role="rules", **DEFAULT)], ("a",), (0,)))
    arms = arms_of(study)
    setting = arms["hybrid"].setting
    agent = {**setting["agent"], "turns": "tcs_gp"}
    arms["hybrid"] = replace(arms["hybrid"], setting={**setting, "agent": agent})
    found = {(contrast.first, contrast.second) for contrast in contrasts_of(arms) if contrast.family in ("rules", "context")}
    assert found == {("tcs", "rules")}
