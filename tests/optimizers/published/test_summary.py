"""What the Analyzer and the Generator are shown, on states written by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.published import BATCH, CONFIG, RATE, RULE, SPACE, reader, trained, trainings

from harness.llm.backend import Message
from harness.optimizers.published.dimension import dimensions_of
from harness.optimizers.published.front import cut_front
from harness.optimizers.published.history import Training
from harness.optimizers.published.metric import Metric
from harness.optimizers.published.pattern import pattern_of
from harness.optimizers.published.prompt import analyzer_messages, generator_messages
from harness.optimizers.published.summary import Summary, summarise
from harness.optimizers.published.switches import Switches
from harness.optimizers.published.text import summary_text
from harness.space import Space
from harness.tokens import estimate_tokens

ACCURACY = Metric.named("accuracy")
TIED = [
    trained({"batch_size": 16, "dropout_rate": 0}, 0.6, 0),
    trained({"batch_size": 128, "dropout_rate": 0.0}, 0.8, 1),
    trained({"batch_size": 64, "dropout_rate": 0.3}, 0.6, 2),
    trained({"batch_size": 64, "dropout_rate": 0.3}, 0.8, 3),
]


def text(made: list[Training], metric: Metric = ACCURACY, switches: Switches | None = None) -> str:
    switches = switches or Switches()
    found = summarise(made, SPACE, reader(metric.name), switches)
    return summary_text(found, metric, switches)


def section(text: str, number: int) -> list[str]:
    after = text.partition(f"\n{number}. ")[2] if number > 1 else text
    return after.partition(f"\n\n{number + 1}. ")[0].splitlines()[1:]


def facts(made: list[Training], name: str) -> Summary:
    found = summarise(made, [d for d in SPACE if d.name == name], reader("accuracy"), Switches())
    return found


def test_the_situation_after_two_trainings() -> None:
    assert section(text(trainings("accuracy", [0.64, 0.7125], [0.7, 0.8])), 1) == [
        "- Target: accuracy > 0.900",
        "- Metric now (accuracy): 0.7125, level: poor",
        "- Gap to the target: 0.1875",
        "- Trend: improving",
        "- Overfitting: MODERATE (gap 0.0875)",
    ]


def test_the_situation_after_the_first_training_has_a_level_and_no_gap() -> None:
    assert section(text(trainings("accuracy", [0.64], [0.9])), 1) == [
        "- Target: accuracy > 0.900",
        "- Metric now (accuracy): 0.6400, level: poor",
        "- Gap to the target: 0.0000",
        "- Trend: insufficient data",
        "- Overfitting: UNKNOWN (gap 0.0000)",
    ]


def test_a_missing_last_score_is_not_available_while_the_rest_is_that_of_the_last_two() -> None:
    shown = section(text(trainings("accuracy", [0.5, 0.82, None])), 1)
    assert shown[1:4] == ["- Metric now (accuracy): N/A, level: fair", "- Gap to the target: 0.0800", "- Trend: improving"]


def test_a_loss_is_to_fall() -> None:
    shown = section(text(trainings("loss", [0.5, 0.3]), Metric.named("loss")), 1)
    assert shown[0] == "- Target: loss < 0.100"
    assert shown[3] == "- Trend: improving"


def test_the_latest_training_is_shown_unrounded_with_every_epoch() -> None:
    made = [*trainings("accuracy", [0.5]), Training(1, CONFIG, {"train_accuracy": [0.7, 0.123456789], "accuracy": [0.1, 2 / 3]})]
    shown = section(text(made), 2)
    assert shown[0] == "- Iteration: 1"
    assert shown[2:5] == [
        "- Train metric at the end: 0.123456789",
        "- accuracy at the end: 0.6666666666666666",
        "- Result: the metric improved by 0.1667",
    ]
    assert shown[5] == '- All recorded metrics: {"train_accuracy": [0.7, 0.123456789], "accuracy": [0.1, 0.6666666666666666]}'


@pytest.mark.parametrize(
    ("scores", "words"),
    [([0.6, 0.5], "degraded by 0.1000"), ([0.5, 0.505], "is stuck around 0.5050"), ([0.5], "is stuck around 0.5000")],
)
def test_one_sentence_says_where_the_metric_went(scores: list[float], words: str) -> None:
    assert f"- Result: the metric {words}" in text(trainings("accuracy", scores))


def test_ranges_are_shown_and_a_categorical_gets_one_that_it_does_not_have() -> None:
    shown = section(text(trainings("accuracy", [0.5, 0.6])), 3)
    assert "- learning_rate: 1e-05 to 0.1 (current: 0.01)" in shown
    assert "- batch_size: 16 to 128 (current: 32)" in shown
    assert "- optimizer: 0.0001 to 0.1 (current: adam)" in shown


def test_options_are_shown_for_the_batch_size_only_and_only_under_their_key() -> None:
    listed = replace(BATCH, low=16, high=128, lists_options=True)
    other = replace(RULE, lists_options=True)
    made = trainings("accuracy", [0.5, 0.6])
    found = summarise(made, [listed, other], reader("accuracy"), Switches())
    shown = section(summary_text(found, ACCURACY, Switches()), 3)
    assert shown == ["- batch_size: one of [16, 32, 64, 128] (current: 32)", "- optimizer: 0.0001 to 0.1 (current: adam)"]


def test_a_hyperparameter_in_detail() -> None:
    found = facts(TIED, "batch_size").hyperparameters[0]
    assert (found.experiments, found.distinct, found.tested) == (4, 3, ("128", "16", "64"))
    assert found.best is not None
    assert found.worst is not None
    assert (found.best.value, found.best.iteration) == (128, 1)  # the first of equals
    assert (found.worst.value, found.worst.iteration) == (16, 0)
    assert (found.recent_best, found.recent_count) == (0.8, 3)
    assert [(at.iteration, at.value) for at in found.last] == [(1, 128), (2, 64), (3, 64)]
    assert found.mean == pytest.approx(0.7)
    assert found.sd == pytest.approx(0.1)
    assert found.impact == 0.8 - 0.6


def test_zero_as_integer_and_as_decimal_is_one_value_and_two_texts() -> None:
    found = facts(TIED, "dropout_rate").hyperparameters[0]
    assert (found.distinct, found.tested) == (2, ("0", "0.0", "0.3"))


def test_one_experiment_asks_for_more_and_lists_it() -> None:
    shown = text(trainings("accuracy", [0.5]))
    assert "One experiment: more are needed" in shown
    assert "Last 1: iteration 0, 0.01 -> 0.5000" in shown


def test_never_tested_is_said_where_no_training_has_the_metric() -> None:
    assert text(trainings("accuracy", [None, None])).count("Never tested.") == len(SPACE)


def test_nan_is_the_best_and_the_worst() -> None:
    found = facts(trainings("accuracy", [0.5, math.nan, 0.7]), "learning_rate").hyperparameters[0]
    assert found.best is not None
    assert found.worst is not None
    assert math.isnan(found.best.metric)
    assert math.isnan(found.worst.metric)
    assert math.isnan(found.mean)
    assert math.isnan(found.sd)


def test_the_best_of_a_loss_is_its_lowest() -> None:
    made = [trained({}, 0.5, 0, "loss"), trained({}, 0.3, 1, "loss")]
    found = summarise(made, [RATE], reader("loss"), Switches()).hyperparameters[0]
    assert found.best is not None
    assert (found.best.iteration, found.recent_best) == (1, 0.3)


def test_a_training_is_compared_with_itself_unless_a_switch_says_otherwise() -> None:
    made = [trained({"max_depth": 5}, 0.5, 0), trained({"max_depth": 7}, 0.6, 1)]
    itself, real = (section(text(made, switches=Switches(previous=which)), 5) for which in ("itself", "real"))
    assert itself[:3] == ["- accuracy before: N/A", "- accuracy now: 0.6000", "- Change: +0.1000"]
    assert all("unchanged" in line for line in itself[3:])
    assert real[0] == "- accuracy before: 0.5000"
    assert "- max_depth: from 5 to 7" in real


def test_the_first_training_is_compared_with_itself_too() -> None:
    shown = section(text(trainings("accuracy", [0.5])), 5)
    assert shown[0] == "- accuracy before: N/A"
    assert shown[2] == "- Change: +0.0000"


def test_the_curve_can_be_thinned_or_left_out() -> None:
    made = [Training(0, CONFIG, {"accuracy": [n / 100 for n in range(1, 13)]}, range(1, 13))]
    assert summarise(made, SPACE, reader("accuracy"), Switches(curve="thinned")).curves == {"accuracy": [0.01, 0.05, 0.1]}
    assert "recorded metrics" not in text(made, switches=Switches(curve="none"))


def test_a_hidden_target_hides_what_follows_from_it() -> None:
    made, hidden = trainings("accuracy", [0.64, 0.7125]), Switches(target="hidden")
    shown, messages = analyzer_messages(summarise(made, SPACE, reader("accuracy"), hidden), ["a"], ACCURACY, hidden)
    pattern = pattern_of(made, reader("accuracy"))
    told = generator_messages(SPACE, CONFIG, pattern, ACCURACY, hidden, "do x", first=False)
    everything = "\n".join([shown, *(m.content for m in (*messages, *told))])
    assert not [word for word in ("0.900", "target", "Target", "level", "poor") if word in everything]
    assert "0.1875" not in everything  # the gap
    assert "as high as it will go" in everything


def test_options_and_scales_are_shown_where_a_switch_says_so() -> None:
    shown = text(trainings("accuracy", [0.5, 0.6]), switches=Switches(options="shown"))
    assert '- optimizer: one of ["adam", "sgd"] (current: adam)' in shown
    assert "- learning_rate: 1e-05 to 0.1, log scale (current: 0.01)" in shown
    assert "log scale" not in text(trainings("accuracy", [0.5, 0.6]))


@pytest.mark.parametrize(
    ("scores", "state"),
    [
        ([], ["- r2_score now: 0.0000, level: UNKNOWN", "- Gap to the target: 0.0000", "- Trend: unknown"]),
        ([0.5], ["- r2_score now: 0.0000, level: UNKNOWN", "- Gap to the target: 0.0000", "- Trend: insufficient data"]),
        ([0.5, 0.6], ["- r2_score now: 0.6000, level: poor", "- Gap to the target: 0.1000", "- Trend: improving"]),
    ],
)
def test_the_generator_sees_the_state_of_the_last_two(scores: list[float], state: list[str]) -> None:
    metric = Metric.named("r2_score")
    made = trainings("r2_score", list(scores))
    system, user = generator_messages(
        SPACE, CONFIG, pattern_of(made, reader("r2_score")), metric, Switches(), "do x", first=not scores
    )
    assert section(f"1. {user.content}", 1)[:3] == state
    assert ("above 0.600" in system.content) is (not scores)
    assert "- batch_size: one of [16, 32, 64, 128] (current: 32)" in user.content
    assert "- learning_rate: 1e-05 to 0.1 (current: 0.01)" in user.content
    assert "do x" in user.content


def test_neither_agent_is_told_what_a_hyperparameter_means_or_its_scale() -> None:
    entry = {"type": "float", "low": 1e-5, "high": 1.0, "scale": "log", "default": 0.1, "meaning": "UNHEARD-OF", "unit": "furlongs"}
    dimensions = dimensions_of(Space.from_mapping({"learning_rate": entry}))
    made = [Training(n, {"learning_rate": 0.1}, {"accuracy": [0.1 * n]}) for n in range(3)]
    _, asked = analyzer_messages(summarise(made, dimensions, reader("accuracy"), Switches()), ["x"], ACCURACY, Switches())
    told = generator_messages(
        dimensions, {"learning_rate": 0.1}, pattern_of(made, reader("accuracy")), ACCURACY, Switches(), "", first=False
    )
    everything = "\n".join(message.content for message in (*asked, *told))
    assert "learning_rate" in everything
    assert not [word for word in ("UNHEARD-OF", "furlongs", "log") if word in everything.split()]


def test_spaces_become_dimensions_and_a_categorical_has_no_range() -> None:
    made = dimensions_of(
        Space.from_mapping(
            {
                "a": {"type": "ordinal", "levels": [8, 16], "default": 8, "meaning": "m"},
                "b": {"type": "categorical", "choices": ["x", "y"], "default": "y", "meaning": "m"},
                "c": {"type": "bool", "default": True, "meaning": "m"},
                "d": {"type": "int", "low": 1, "high": 9, "default": 3, "meaning": "m"},
                "e": {"type": "ordinal", "levels": ["s", "l"], "default": "s", "meaning": "m"},
            }
        )
    )
    assert [(d.kind.value, d.shown_range, d.shows_options) for d in made] == [
        ("ordinal", (8, 16), False),
        ("categorical", (0.0001, 0.1), False),
        ("categorical", (0.0001, 0.1), False),
        ("integer", (1, 9), False),
        ("ordinal", (0.0001, 0.1), False),
    ]


def test_a_window_cuts_from_the_front_and_keeps_the_end() -> None:
    messages = [Message("system", "first words. " * 50), Message("user", "middle words. " * 200 + "THE END")]
    cut = cut_front(messages, 100)
    assert [message.role for message in cut.messages] == ["user"]
    assert cut.messages[0].content.endswith("THE END")
    assert 90 <= estimate_tokens(cut.messages[0].content) <= 100
    total = sum(len(message.content) for message in messages)
    assert cut.characters == total - len(cut.messages[0].content)
    whole = cut_front(messages, 10_000)
    assert (whole.messages, whole.characters) == (messages, 0)
    part = cut_front(messages, whole.tokens - 10)
    assert [message.role for message in part.messages] == ["system", "user"]
    assert messages[0].content.endswith(part.messages[0].content)
    assert part.messages[1] == messages[1]


@given(
    st.lists(st.one_of(st.none(), st.just(0.5), st.just(math.nan), st.floats(allow_infinity=False)), min_size=1, max_size=8),
    st.lists(st.floats(0, 1), max_size=8),
    st.sampled_from(["accuracy", "val_accuracy", "loss", "never heard of"]),
)
@example([0.5, 2.7e154], [], "accuracy")  # whose square is no float
def test_any_scores_give_a_text_of_five_sections(scores: list[float | None], train: list[float], name: str) -> None:
    metric = Metric.named(name)
    found = summary_text(summarise(trainings(name, scores, train), SPACE, reader(name), Switches()), metric, Switches())
    assert all(section(found, number) for number in range(1, 6))
    scored = [score for score in scores if score is not None]
    assert ("Never tested." in found) is (not scored)
    assert found.count("One experiment") == (len(SPACE) if len(scored) == 1 else 0)
