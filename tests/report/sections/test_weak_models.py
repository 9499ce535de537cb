"""An arm whose configurations were mostly not its model's: its rows stay, and nothing is concluded of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from report.conftest import GPT, PHI, in_memory

from harness.report.analysis.frames import rows_by, rows_of
from harness.report.analysis.options import Options
from harness.report.analysis.provenance import KINDS, OWN, kind_of, origins
from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Figure, Report, Table
from harness.report.sections.answers import answers_of
from harness.report.sections.contrasts import CONCLUSIONS
from harness.report.sections.expectations import NOT_MET, Expectation, check
from harness.report.sections.findings import Findings
from harness.report.sections.funnel import LOSSES
from harness.report.sections.noninferiority import NO_VERDICT
from harness.report.sources.records import read_study
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm, write_study
from harness.trial import Outcome, Proposal, Status, Trial


def arms_with(weak: float) -> list[SyntheticArm]:
    return [
        llm_arm("tcs_phi4", PHI, "tcs", 6.0, fallback_rate=weak, start="default"),
        llm_arm("raw_phi4", PHI, "raw", 0.0, start="default"),
        llm_arm("gpt4", GPT, "raw", 1.0, start="default"),
        SyntheticArm("random"),
        SyntheticArm("random+default", start="default"),
    ]


def study(weak: float = 0.9, *more: SyntheticArm, **options: Any) -> Findings:
    made = SyntheticStudy([*arms_with(weak), *more], ("a", "b"), range(4))
    return find(in_memory(made), Options(resamples=200, **options))


@pytest.fixture(scope="module")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The findings of records on the disk, since calls are not held in memory."""
    folder = tmp_path_factory.mktemp("weak") / "study"
    write_study(folder, SyntheticStudy(arms_with(0.9), ("a", "b"), range(4)))
    return find(read_study(folder), Options(resamples=200))


@pytest.fixture(scope="module")
def page(weak: Findings) -> Report:
    return build_report(weak)


def the(page: Report, key: str, kind: type[Any]) -> Any:
    (found,) = [item for item in page.items() if isinstance(item, kind) and item.key == key]
    return found


def sentence(found: Findings, arm: str = "tcs_phi4") -> str:
    cells = found.funnel[found.funnel["arm"] == arm]
    asked, own = int(cells["asked"].sum()), int(cells["own"].sum())
    return f"{asked - own} of {asked} configurations of {arm} were not the model's: no verdict"


def test_the_sentence_counts_what_was_asked_of_the_model_and_not_the_default_start(weak: Findings) -> None:
    assert dict(weak.withheld) == {"tcs_phi4": sentence(weak)}
    cells = weak.funnel[weak.funnel["arm"] == "tcs_phi4"]
    assert list(cells["asked"]) == list(cells["trials"] - 1)
    assert list(cells["own"]) == list(cells["llm"] + cells["retry"])


def test_its_verdict_is_the_sentence_and_its_gap_has_no_interval(weak: Findings) -> None:
    entries = rows_by(weak.noninferiority, "arm")
    entry = entries["tcs_phi4",]
    assert (entry["verdict"], entry["reason"]) == (NO_VERDICT, sentence(weak))
    assert not math.isnan(entry["gap"])
    assert all(math.isnan(entry[name]) for name in ("low", "high", "p", "seeds_to_decide"))
    others = [other for (arm,), other in entries.items() if arm != "tcs_phi4"]
    assert all(other["verdict"] != NO_VERDICT and not math.isnan(other["low"]) for other in others)


def test_its_contrasts_conclude_nothing_and_the_others_do(weak: Findings) -> None:
    rows = rows_of(weak.contrasts)
    about = [entry for entry in rows if "tcs_phi4" in (entry["first"], entry["second"])]
    assert {entry["family"] for entry in about} >= {"context", "random"}
    for entry in about:
        assert entry["withheld"] == sentence(weak)
        assert all(math.isnan(entry[name]) for name in (*CONCLUSIONS, "p_holm"))
        assert not math.isnan(entry["difference"])
    assert any(not math.isnan(entry["low"]) for entry in rows if entry not in about)
    assert all(not entry["withheld"] for entry in rows if entry not in about)


def test_where_the_reference_is_such_an_arm_nobody_has_a_verdict(weak: Findings) -> None:
    turned = study(reference="tcs_phi4")
    assert {entry["verdict"] for entry in rows_of(turned.noninferiority)} == {NO_VERDICT}
    assert {entry["reason"] for entry in rows_of(turned.noninferiority)} == {sentence(weak)}


def test_the_answers_say_no_verdict_and_why(weak: Findings) -> None:
    helps, good_enough, start, *_ = answers_of(weak)
    for answer in (helps, good_enough, start):
        assert answer.word.upper() == NO_VERDICT, answer
        assert answer.tone == "muted"
        assert sentence(weak) in answer.text
    assert [figures for name, figures in helps.lines if "tcs_phi4" in name] == ["no verdict"]
    assert [figures for _, figures in good_enough.lines] == ["no verdict"]


def test_one_such_arm_among_several_takes_no_part_in_the_answer() -> None:
    both = study(0.9, llm_arm("tcs_qwen", "qwen2.5-coder:32b", "tcs", 6.0), llm_arm("raw_qwen", "qwen2.5-coder:32b", "raw", 0.0))
    helps, good_enough, *_ = answers_of(both)
    assert helps.word == "Yes"
    assert good_enough.word.startswith("PASS")
    assert sentence(both) in helps.text
    assert sentence(both) in good_enough.text


@pytest.mark.parametrize(
    ("kind", "terms"),
    [
        ("gap", {"arm": "tcs_phi4", "over": "random", "at_least": -100.0}),
        ("verdict", {"arm": "tcs_phi4", "is": ["PASS", "FAIL", "INCONCLUSIVE"]}),
        ("verdict", {"arm": "tcs_phi4", "task": "a", "is": ["PASS", "FAIL", "INCONCLUSIVE"]}),
    ],
)
def test_an_expectation_of_it_is_not_met_with_the_sentence(weak: Findings, kind: str, terms: dict[str, Any]) -> None:
    (outcome,) = check(weak, [Expectation("x", kind, terms)])
    assert outcome.word == NOT_MET
    assert sentence(weak) in outcome.found


def test_descriptive_rows_stay_with_the_mark_and_its_note(weak: Findings, page: Report) -> None:
    for key in ("scores", "verdict", "contrasts_context", "provenance", "funnel"):
        table = the(page, key, Table)
        named = [cells[0].text for cells in table.rows if "tcs_phi4" in cells[0].text]
        assert named, key
        assert all("‖" in name for name in named), key
        assert f"‖ {sentence(weak)}" in " ".join(table.notes), key


def test_the_threshold_is_a_setting() -> None:
    assert study(0.3).withheld == {}
    assert set(study(0.3, most_not_the_models=0.1).withheld) == {"tcs_phi4"}
    assert study(1.0, most_not_the_models=1.0).withheld == {}


def test_the_figure_s_shares_are_those_of_the_calls_and_its_text_tells_them(weak: Findings, page: Report) -> None:
    figure = the(page, "losses", Figure)
    for entry in rows_of(figure.data):
        assert entry["new"] + sum(entry[name] for name in LOSSES) == entry["calls"]
    entry = rows_by(figure.data, "arm")["tcs_phi4",]
    assert entry["unparsed"] > 0
    assert entry["out_of_space"] > 0
    assert entry["repeat"] > 0
    for name, words in LOSSES.items():
        assert (f"{100 * entry[name] / entry['calls']:.0f} % {words}" in figure.alt.replace("\u00a0", " ")) == bool(entry[name]), (
            name
        )


def made_of(sources: Sequence[str]) -> list[Trial]:
    outcome = Outcome.failed(Status.DIVERGED, "x", (), 0.0)
    return [Trial(number, Proposal({}, source=source), outcome) for number, source in enumerate(sources, start=1)]


def test_one_place_says_which_sources_are_the_model_s_own() -> None:
    assert {kind for kind in KINDS.values() if kind not in OWN} == {
        "default",
        "optimizer",
        "given",
        "fallback",
        "repaired",
        "adjusted",
    }
    sources = ("llm", "llm-retry-12", "llm-repaired", "llm-adjusted", "fallback")
    assert [kind_of(trial) for trial in made_of(sources)] == ["llm", "retry", "repaired", "adjusted", "fallback"]
    trials = made_of(["default", "llm", "llm-retry-1", "fallback", "optimizer", "default"])
    assert vars_of(origins(trials, from_default=True)) == (4, 2)  # the last default stood in for a reply
    assert vars_of(origins(trials, from_default=False)) == (5, 2)
    after = made_of(["given", "given", "default", "llm", "fallback"])
    assert vars_of(origins(after, from_default=True)) == (2, 1)
    assert vars_of(origins(after, from_default=False)) == (3, 1)


def vars_of(found: Any) -> tuple[int, int]:
    return found.asked, found.own
