"""The two questions of LLAMBO: for a candidate that reaches a target score, and for the score of a candidate. The sentences are ours.

Source of what each shows: the code of LLAMBO (commit 196fe23), as described in facts. The sampler sees pairs of score and configuration,
the surrogate pairs of configuration and score; only the sampler sees ranges and the target. Neither sees a curve.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Template

from harness.llm.backend import Schema, digest
from harness.optimizers.agent.context import in_digits
from harness.optimizers.agent.prompt import card_text, form_explained, form_text, ranges_text
from harness.seeding import keyed_random
from harness.space import Space, Value
from harness.task import TaskCard
from harness.trial import Objective, Trajectory, Trial

DIGITS = 4  # of a configuration's floats
SCORE_DIGITS = 6
SAMPLER = Template("""\
$card

Hyperparameters:
$space

Trials of this model, each with its score and the configuration that reached it. Their order has no meaning.
$pairs

Name a configuration, not among these, that would have the score $target. Where a number may have any value, take neither an end of its \
range nor a round number. ${explain}Answer with one JSON object and nothing else, of this form:
$form""")
SURROGATE = Template("""\
$card

Trials of this model, each with its configuration and the score that it reached. Their order has no meaning.
$pairs

Predict the score of one more configuration:
$query
Answer with one JSON object and nothing else, of this form:
{"score": ...}""")
PROMPT_HASH = digest(SAMPLER.template, SURROGATE.template)[:16]


def permuted(trajectory: Trajectory, templates: int, seed: int) -> list[list[Trial]]:
    """Return the trials in `templates` orders, drawn by the seed and the number of trials."""
    orders = []
    for template in range(templates):
        trials = list(trajectory)
        keyed_random(seed, f"llambo order {template}", len(trials)).shuffle(trials)
        orders.append(trials)
    return orders


def sampler_question(card: TaskCard, space: Space, order: list[Trial], target: float, objective: Objective) -> str:
    """Return the question for a candidate; `target` is in points."""
    return SAMPLER.substitute(
        card=card_text(card, objective),
        space=ranges_text(space),
        pairs="\n".join(f"{_score(trial, objective)}: {config_text(trial.config)}" for trial in order),
        target=score_text(target, objective),
        explain=form_explained(space, "none"),
        form=form_text(space, "none"),
    )


def surrogate_question(card: TaskCard, order: list[Trial], query: Mapping[str, Value], objective: Objective) -> str:
    """Return the question for the score of the configuration `query`."""
    return SURROGATE.substitute(
        card=card_text(card, objective),
        pairs="\n".join(f"{config_text(trial.config)}: {_score(trial, objective)}" for trial in order),
        query=config_text(query),
    )


def score_schema(objective: Objective) -> Schema:
    """Return the JSON schema of a prediction; a percentage that is to be maximised is at most 100."""
    bound = {"maximum": 100} if objective.is_percentage else {}
    properties = {"score": {"type": "number", **bound}}
    return {"type": "object", "properties": properties, "required": ["score"], "additionalProperties": False}


def target_points(trajectory: Trajectory, alpha: float) -> float:
    """Return the score to ask for, in points: the best one, and `alpha` times the range of the scores beyond it.

    Without a range, it is 10 % of the best score. A percentage is at most 100. At least one trial has a score.
    """
    scores = [trial.score for trial in trajectory if trial.score is not None]
    best = max(scores)
    wanted = best + alpha * ((best - min(scores)) or 0.1 * abs(best))
    objective = trajectory.objective
    return min(wanted, 100.0) if objective.is_percentage and objective.sign > 0 else wanted


def score_text(points: float, objective: Objective) -> str:
    """Write a score in the objective's own unit, with 6 significant digits and without the unit."""
    return f"{objective.value(points):.{SCORE_DIGITS}g}"


def config_text(config: Mapping[str, Value]) -> str:
    """Write a configuration as JSON, its floats with 4 significant digits."""
    return json.dumps(in_digits(config, DIGITS), ensure_ascii=False)


def _score(trial: Trial, objective: Objective) -> str:
    return f"failed ({trial.outcome.status})" if trial.score is None else score_text(trial.score, objective)
