"""The two agents in whole cells, against a server that speaks Ollama's protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import cells_of, settings_of

from harness.config.overrides import conf_dir
from harness.config.settings import task_spec
from harness.llm.asking import Asking
from harness.llm.backend import ModelFacts, Reply, Request
from harness.llm.settings import LlmSettings
from harness.optimizers.published.agent import NO_REPLY, Published
from harness.optimizers.published.repair import DEFAULTED
from harness.optimizers.published.rules import RULES, Rule
from harness.run.study import blocked_by, run_cells
from harness.space import Config, Space
from harness.store.cell_folder import read_trials
from harness.store.codec import VARYING
from harness.task import TaskCard
from harness.testing.contracts.optimizer import NASTY, OptimizerContract
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import Script
from harness.trial import Direction, Epoch, Objective, Outcome, Proposal, Status, Trajectory, Trial

CARD = TaskCard("t", "d", "d", "m", "accuracy in percent", "e")
Run = Callable[..., tuple[Path, list[Trial], list[dict[str, Any]]]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run one cell on the toy task against a double with a script of its own; return folder, trials and calls."""
    started: list[OllamaDouble] = []

    def run_one(*overrides: str, script: Script | None = None, study: str = "s") -> Any:
        double = OllamaDouble(script)
        double.start()
        started.append(double)
        asked = [
            "optimizer=published_qwen",
            f"llm.base_url={double.url}",
            "budget=4",
            f"study={study}",
            "task.metric.name=accuracy",
        ]
        (cell,), settings = cells_of(tmp_path, *asked, *overrides)
        result = run_cells([cell], settings)
        folder = tmp_path / study / cell.folder
        assert (result.done, result.failed) == (1, ()), result
        calls = folder / "calls.jsonl"
        return folder, read_trials(folder), [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []

    yield run_one
    for double in started:
        double.stop()


def pairs(text: str) -> Script:
    """Return a script in which every call is answered with this text."""
    return Script.of(then={"do": "text", "text": text})


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "trials.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in VARYING} for line in lines]


def test_a_generator_call_before_each_training_and_an_analysis_when_the_next_is_proposed(run: Run) -> None:
    _, trials, calls = run()
    asked = [(call["trial"], call["call"]) for call in calls]
    assert asked == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)]  # no analysis after the last training
    roles = [[reply["role"] for reply in trial.proposal.note["replies"]] for trial in trials]
    assert roles == [["generator"], *[["analyzer", "generator"]] * 3]
    assert "There is no analysis yet." in calls[0]["messages"][1]["content"]
    assert calls[1]["reply"]["text"] in calls[2]["messages"][1]["content"]
    assert trials[1].proposal.note["context"] in calls[1]["messages"][1]["content"]


def test_requests_have_no_options_no_seed_and_no_schema(run: Run) -> None:
    _, _, calls = run("budget=2")
    for call in calls:
        assert {name: value for name, value in call["decoding"].items() if value is not None} == {"reply_format": "schema"}
        assert call["schema_key"] is None


def test_an_answer_that_needs_no_repair_is_the_llms_own(run: Run) -> None:
    _, trials, _ = run("budget=1", script=pairs("learning_rate=0.5, momentum=0.3, optimizer=sgd"))
    assert trials[0].proposal.source == "llm"
    assert trials[0].config["learning_rate"] == 0.5


def test_what_was_repaired_stands_in_the_note_with_what_the_llm_wrote(run: Run) -> None:
    _, trials, _ = run("budget=1", script=pairs("learning_rate=1e9, momentum=often"))
    proposal = trials[0].proposal
    assert proposal.source == "llm-repaired"
    values = proposal.note["values"]
    assert values["learning_rate"]["wrote"] == "1e9"
    assert values["learning_rate"]["steps"] == ["clamped"]
    assert values["momentum"] == {
        "wrote": "often",
        "form": "name = v",
        "repaired": values["momentum"]["trained"],
        "steps": ["unreadable: default"],
        "trained": values["momentum"]["trained"],
        "fate": "defaulted",
    }


def test_what_a_rule_changed_is_adjusted_from_the_third_trial_on(run: Run) -> None:
    _, trials, _ = run(script=pairs("learning_rate=0.01, momentum=0.3"))
    assert [trial.proposal.source for trial in trials] == ["llm", "llm", "llm-adjusted", "llm-adjusted"]
    assert [trial.config["learning_rate"] for trial in trials] == [0.01, 0.01, 0.012, 0.012]
    assert trials[2].proposal.note["values"]["learning_rate"]["rule"] == "stagnant: x 1.2"


def test_the_generator_is_shown_the_last_configuration_after_the_rules(run: Run) -> None:
    _, _, calls = run(script=pairs("learning_rate=0.01, momentum=0.3"))
    assert "- learning_rate: " in calls[-1]["messages"][1]["content"]
    assert "(current: 0.012)" in calls[-1]["messages"][1]["content"]


def test_without_rules_the_answer_is_trained(run: Run) -> None:
    _, trials, _ = run("published.after_rules='off'", script=pairs("learning_rate=0.01, momentum=0.3"))
    assert [trial.config["learning_rate"] for trial in trials] == [0.01] * 4


def test_no_reply_is_all_defaults_and_the_rules_do_not_run(run: Run) -> None:
    folder, trials, _ = run(script=pairs("<think>learning_rate=0.9</think>"))
    assert [trial.proposal.source for trial in trials] == ["default"] * 4
    assert len({json.dumps(trial.config) for trial in trials}) == 1
    assert trials[0].proposal.note["values"]["learning_rate"]["steps"] == ["no reply: default"]
    assert "its configurations are the defaults" in json.loads((folder / "summary.json").read_text())["unusable_replies"]


def test_a_reply_without_a_readable_value_is_all_defaults_and_the_rules_do_run(run: Run) -> None:
    _, trials, _ = run(script=pairs("I would rather not say."))
    assert [trial.proposal.source for trial in trials] == ["default"] * 4
    rates = [float(trial.config["learning_rate"]) for trial in trials]
    assert rates[2] == pytest.approx(1.2 * rates[0])


def test_an_empty_analysis_is_a_fixed_sentence_for_the_generator(run: Run) -> None:
    script = Script.of("valid", {"do": "text", "text": "<think>hm</think>"}, "valid")
    _, trials, calls = run("budget=2", script=script)
    assert "The analysis failed" in calls[2]["messages"][1]["content"]
    assert trials[1].proposal.note["replies"][0]["problem"] == "the analysis was empty"


def test_strict_asks_again_with_the_reason_and_at_last_draws(run: Run) -> None:
    wrong, right = ({"do": "text", "text": f"learning_rate={rate}, momentum=0.3"} for rate in ("1e9", "0.5"))
    folder, trials, calls = run("published.repair=strict", "budget=1", script=Script.of(wrong, right))
    assert trials[0].proposal.source == "llm-retry-1"
    assert "above the maximum" in calls[1]["messages"][-1]["content"]
    assert trials[0].proposal.note["replies"][0]["kind"] == "invalid"
    _, trials, calls = run("published.repair=strict", "agent.attempts=2", "budget=1", script=pairs("no"), study="t")
    assert (trials[0].proposal.source, len(calls)) == ("fallback", 2)
    assert folder.exists()


def test_a_window_is_cut_marked_and_not_stopped_by_the_check_for_truncation(run: Run) -> None:
    _, trials, calls = run("published.window=4096", "task.params.epochs=400", "budget=2", "llm.num_ctx=4096")
    cut = trials[1].proposal.note["cuts"][0]
    assert cut["window"] == 4096
    assert cut["estimated_tokens"] > 4096
    assert cut["characters_left_out"] > 0
    assert cut["tokens"] == "estimated"
    assert [message["role"] for message in calls[1]["messages"]] == ["user"]
    assert calls[1]["messages"][0]["content"].endswith("accuracy above 0.900.")


def test_an_interrupted_cell_goes_on_as_an_uninterrupted_one(run: Run, tmp_path: Path) -> None:
    whole, _, calls = run("budget=4", study="whole")
    part, _, _ = run("budget=4", study="part")
    lines = (part / "trials.jsonl").read_text().splitlines(keepends=True)
    (part / "trials.jsonl").write_text("".join(lines[:2]))
    (part / "summary.json").unlink()
    again, _, repeated = run("budget=4", study="part")
    assert rows(again) == rows(whole)
    assert len(repeated) == len(calls)


def test_a_replay_asks_no_llm_and_gives_the_same_trials(run: Run, tmp_path: Path) -> None:
    first, _, _ = run("budget=4", study="first")
    (cell,), settings = cells_of(
        tmp_path, "optimizer=published_qwen", f"llm.replay={first}", "budget=4", "study=again", "task.metric.name=accuracy"
    )
    assert run_cells([cell], settings).done == 1
    assert rows(tmp_path / "again" / cell.folder) == rows(first)


def test_alone_needs_no_llm_and_follows_the_rules(run: Run, tmp_path: Path) -> None:
    (cell,), settings = cells_of(tmp_path, "optimizer=published", "published.after_rules=alone", "task.metric.name=accuracy")
    assert (cell.arm, cell.asking, blocked_by(settings)) == ("published", None, None)
    assert run_cells([cell], settings).done == 1
    trials = read_trials(tmp_path / "main" / cell.folder)
    assert [trial.proposal.source for trial in trials] == ["default"] + ["optimizer"] * 9
    assert trials[1].config == trials[0].config
    assert trials[2].config["learning_rate"] == pytest.approx(1.2 * float(trials[1].config["learning_rate"]))
    assert trials[2].proposal.note["rules"]["learning_rate"]["rule"] == "stagnant: x 1.2"


def test_the_manifest_lists_what_is_told_of_the_task(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "task=friedman", "optimizer=published_qwen")
    told = settings.recorded["published"]["told"]
    assert (told["metric"], told["target"], told["known_target"]) == ("r2_score", 0.7, True)
    assert told["rules"]["max_depth"] == ["HIGH: - 1", "LOW: + 1"]
    unknown = settings_of(tmp_path, "task=digits", "optimizer=published_qwen").recorded["published"]["told"]
    assert [rule for rules in unknown["rules"].values() for rule in rules if "HIGH" in rule] == []


def test_a_metric_without_a_known_target_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings_of(tmp_path, "optimizer=published_qwen", "task.metric.name=joy of use")
    settings_of(tmp_path, "optimizer=published_qwen", "task.metric.name=joy of use")
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert "knows no target of 'joy_of_use': it is told 0.85" in said[0]


# Spaces on which trainings run live, and a state of the last three trainings that calls each rule.
LIVE = ("digits", "text", "friedman")
FOREST = {"n_estimators": {"type": "int", "low": 10, "high": 500, "default": 100, "meaning": "trees"}}
STATES = {"degrading": ((50, 60, 40), (50, 60, 40)), "stagnant": ((50, 50, 50), (50, 50, 50))}
STATES |= {"HIGH": ((40, 50, 60), (60, 70, 90)), "LOW": ((40, 50, 60), (40, 50, 60))}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.when} {rule.role}")
def test_each_rule_changes_a_proposal_on_a_space_that_trains_live(rule: Rule) -> None:
    changed = []
    for space in (*(task_spec(conf_dir() / "task" / f"{name}.yaml").space for name in LIVE), Space.from_mapping(FOREST)):
        last = space.default()
        trajectory = Trajectory.of(tuple(_trained(number, last, rule) for number in range(1, 4)))
        alone = Published(space, 0, card=CARD, switches={"after_rules": "alone", "overfitting": "real"})
        proposal = alone.propose(trajectory)
        rules = {name: done["rule"] for name, done in proposal.note["rules"].items()}
        changed += [
            name for name, text in rules.items() if text == f"{rule.when}: {rule.text}" and proposal.config[name] != last[name]
        ]
    assert changed


def _trained(number: int, config: Config, rule: Rule) -> Trial:
    val, train = (scores[number - 1] for scores in STATES[rule.when])
    return Trial(number, Proposal(config), Outcome.of_curve((Epoch(val, train_score_pct=train, number=1),), 0.1))


class TestAlone(OptimizerContract):
    seeded = False

    @staticmethod
    def build(space: Space, seed: int) -> Published:
        return Published(space, seed, card=CARD, switches={"after_rules": "alone"})


class Says:
    """A backend that always answers the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    def complete(self, request: Request) -> Reply:
        assert request.seed is None
        return Reply(self.text, ModelFacts("says", "m"))


SCORES = st.one_of(st.none(), st.sampled_from([0.0, 50.0, 50.5, 100.0]), st.floats(-1e6, 100.0))
OBJECTIVES = (
    Objective(),
    Objective("auc"),
    Objective("rmse", Direction.MINIMIZE, "k", 1.0),
    Objective("odd", Direction.MINIMIZE, "k", 2.0),
)
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.tuples(
            st.sampled_from(NASTY.names), st.sampled_from([": ", "=", " = ", " "]), st.text("0123456789.e-infa%[`,", max_size=8)
        ),
        max_size=8,
    ).map(lambda found: "\n".join("".join(parts) for parts in found)),
)


@settings(max_examples=40)
@given(
    st.lists(SCORES, max_size=6),
    TEXTS,
    st.sampled_from(OBJECTIVES),
    st.fixed_dictionaries(
        {
            "previous": st.sampled_from(["itself", "real"]),
            "curve": st.sampled_from(["whole", "thinned", "none"]),
            "target": st.sampled_from(["shown", "hidden"]),
            "overfitting": st.sampled_from(["as_named", "real"]),
            "options": st.sampled_from(["hidden", "shown"]),
            "repair": st.sampled_from(["silent", "strict"]),
            "score": st.sampled_from(["last", "best"]),
            "window": st.sampled_from(["full", "4096"]),
        }
    ),
)
def test_any_trajectory_and_any_reply_give_a_text_and_a_configuration(
    scores: list[float | None], text: str, objective: Objective, switches: dict[str, str]
) -> None:
    asking = Asking("published", LlmSettings(name="x"))
    agent = Published(NASTY, 0, card=CARD, switches=switches, asking=asking, budget=9, backend=Says(text))
    trajectory = Trajectory(objective=objective)
    for number, score in enumerate(scores, start=1):
        epochs = (Epoch(score, number=1), Epoch(score, train_loss=0.5, number=2)) if score is not None else ()
        outcome = Outcome.of_curve(epochs, 0.1, objective) if epochs else Outcome.failed(Status.DIVERGED, "nan", (), 0.1)
        trajectory = trajectory.then(Trial(number, Proposal(NASTY.default()), outcome))
    proposal = agent.propose(trajectory)
    assert NASTY.check(proposal.config) == proposal.config
    assert bool(proposal.note["context"]) is bool(scores)
    json.dumps(dict(proposal.note), allow_nan=False)
    for name, value in proposal.note.get("values", {}).items():
        assert value["trained"] == proposal.config[name]
        assert (value["fate"] == "chosen") == ("wrote" in value and not {"steps", "rule", "held"} & {*value})
        steps = {*value.get("steps", ())}
        assert value["fate"] != "defaulted" or DEFAULTED & steps or value.get("held") or steps == {NO_REPLY}


def test_a_metric_in_another_unit_is_told_as_it_is() -> None:
    objective = Objective("RMSE", Direction.MINIMIZE, "k$", 1.0)
    said = Says("learning_rate=0.1")
    agent = Published(NASTY, 0, card=CARD, asking=Asking("published", LlmSettings(name="x")), backend=said)
    outcome = Outcome.of_curve((Epoch(54.25, number=1),), 0.1, objective)
    trajectory = Trajectory(objective=objective).then(Trial(1, Proposal(NASTY.default()), outcome))
    context = str(agent.propose(trajectory).note["context"])
    assert "Target: rmse < 0.100" in context
    assert "rmse at the end: 54.25" in context


def test_no_test_score_is_ever_shown(run: Run) -> None:
    _, trials, calls = run("budget=3")
    shown = json.dumps([call["messages"] for call in calls])
    for trial in trials:
        assert f"{trial.outcome.test_score_pct}" not in shown
    assert "test" not in shown.lower().replace("tested", "").replace("latest", "")
