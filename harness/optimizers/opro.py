"""OPRO: an LLM is shown configurations and their scores from worst to best, and is asked for a new and better one.

Source: Yang et al., "Large Language Models as Optimizers" (arXiv 2309.03409), and the regression script of its code (commit e81b2f5), as
described in facts; prompts and code are ours. The paper optimises the coefficients of a regression, tours and prompts, and no
hyperparameters. Kept: a history of scores alone without task, curves or reasons, its best 20 pairs in ascending order, one question
without memory at temperature 1.0, and the request for something new and better. Changed, and why:

- One call a trial (`opro`), since a trial is a training; the script asks 8 times and evaluates all answers. `opro_8` asks 8 times and
  evaluates the most frequent usable answer, the first one among equals.
- 3 uniform start-up trials as for the other methods here, not 5: a budget has 10. The default counts as one where it is tried first.
- The prompt lists ranges, scales and conditions; the script shows none. A reply is one JSON object, held by a schema, not a bracket.
- Scores and numbers have 4 significant digits. The script rounds to integers, and accuracies would tie.
- A bad reply is asked anew with the reason, then replaced by a marked draw; the script drops it in silence. Failed trials, which the
  script does not have, are listed apart.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from string import Template
from typing import ClassVar

from harness.errors import SettingsError
from harness.llm.asking import NO_OPTIONS, Asking, LlmOptimizer
from harness.llm.backend import Backend, Message, digest
from harness.optimizers._startup import asked_trials, check_options, is_startup, startup_draw, whole
from harness.optimizers._untried import untried
from harness.optimizers.agent.agent import check_asking
from harness.optimizers.agent.context import in_digits
from harness.optimizers.agent.exchange import Exchange
from harness.optimizers.agent.names import Names
from harness.optimizers.agent.prompt import form_explained, form_text, ranges_text
from harness.optimizers.agent.reply import BadReply, parse_reply, refuse_aborted, refuse_repeat
from harness.optimizers.agent.reply_schema import reply_schema
from harness.space import Config, Space
from harness.space.levels import level_space
from harness.task import TaskCard
from harness.trial import Objective, Proposal, Trajectory, Trial

CONTEXT = "opro"
MOST_PAIRS = 20
MOST_SAMPLES = 100
DIGITS = 4
QUESTION = Template("""\
A system has these settings:
$space

Each complete setting of them is a configuration, and gets a score; a $direction score is better. These are configurations that were \
scored, the worst first and the best last:
$pairs
$failures
Propose one configuration that is unlike all of these and scores better than the last one. ${explain}Write no code and no reasons: \
answer with one JSON object of this form:
$form""")
FAILURES = Template("""
These configurations failed and have no score:
$failures
""")
COMPLAINT = Template("An earlier answer was refused: $complaint.")


class OPRO(LlmOptimizer):
    """Propose what a model answers that sees scores in ascending order.

    `samples` is the number of calls for a proposal, of whose usable answers the most frequent one is taken. When none is usable, single
    calls follow with the reason, up to `agent.attempts` questions in all. `card` and `budget` are not shown. Raises SettingsError.
    """

    versions: ClassVar[Mapping[str, int]] = {"opro": 1}

    def __init__(  # noqa: PLR0913 - the contract of LlmOptimizer
        self,
        space: Space,
        seed: int,
        *,
        asking: Asking,
        card: TaskCard,
        budget: int,  # noqa: ARG002 - OPRO is told no budget
        backend: Backend,
        startup_trials: int = 0,
        samples: int = 1,
    ) -> None:
        _check(asking)
        self.check_options({"startup_trials": startup_trials, "samples": samples})
        self._space = space
        self._seed = seed
        self._asking = asking
        self._backend = backend
        self._startup_trials = startup_trials
        self._samples = samples
        self._names = Names.of(space, asking.names)
        self._allowed = level_space(self._names.space) if asking.values == "levels" else self._names.space
        self._arm = [self.identity(asking, card), samples]

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:  # noqa: ARG003 - OPRO is not told the task
        """Return what decides the result. Raises SettingsError."""
        _check(asking)
        kept = {"context": CONTEXT, "names": asking.names, "values": asking.values, "attempts": asking.attempts}
        words = digest(*(part.template for part in (QUESTION, FAILURES, COMPLAINT)))[:16]
        return {"agent": {**kept, "prompt_hash": words}, "llm": asking.llm.identity()}

    @classmethod
    def check_options(cls, options: Mapping[str, object]) -> None:
        check_options(options, ("samples",), "OPRO")
        whole({"samples": 1, **options}, "samples", MOST_SAMPLES)

    @classmethod
    def number_of_calls(
        cls,
        asking: Asking,  # noqa: ARG003 - as the base class
        trials: int,
        *,
        start: str = "none",
        options: Mapping[str, object] = NO_OPTIONS,
    ) -> int:
        """Return the calls of a cell whose replies are all usable: `samples` for each trial after the start-up."""
        return asked_trials(trials, start, options) * whole({"samples": 1, **options}, "samples", MOST_SAMPLES)

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Ask the model for the next configuration. Raises BackendError when the model cannot be reached."""
        if is_startup(trajectory.trials, self._startup_trials):
            return startup_draw(self._space, self._seed, "opro", trajectory)
        exchange = Exchange(self._names.trajectory(trajectory), self._seed, self._asking.llm, self._backend)
        pairs = "\n".join(pair_lines(exchange.shown))
        question = asked = self._question(exchange.shown, pairs)
        for attempt in range(1, self._asking.attempts + 1):
            answers, complaint = self._answers(exchange, asked, self._samples if attempt == 1 else 1)
            if answers:
                source = "llm" if attempt == 1 else f"llm-retry-{attempt - 1}"
                config = self._names.real_config(most_frequent(answers))
                return Proposal(config, source, {"context": pairs, **exchange.note()})
            asked = f"{question}\n\n{COMPLAINT.substitute(complaint=complaint)}"
        return Proposal(self._draw(trajectory), "fallback", {"context": pairs, **exchange.note()})

    def _question(self, shown: Trajectory, pairs: str) -> str:
        failed = [f"{_config(trial)} ({trial.outcome.status})" for trial in shown if trial.score is None]
        space = self._names.space
        return QUESTION.substitute(
            space=ranges_text(self._allowed),
            direction=better_word(shown.objective),
            pairs=pairs,
            failures=FAILURES.substitute(failures="\n".join(failed[-MOST_PAIRS:])) if failed else "",
            explain=form_explained(space, "none"),
            form=form_text(space, "none"),
        )

    def _answers(self, exchange: Exchange, question: str, calls: int) -> tuple[list[Config], str]:
        """Ask the same question so many times; return the usable configurations, and what was wrong with the last unusable reply."""
        answers, complaint = [], ""
        for _ in range(calls):
            try:
                answers.append(self._answer(exchange, question))
            except BadReply as bad:
                exchange.refuse(bad)
                complaint = bad.short
        return answers, complaint

    def _answer(self, exchange: Exchange, question: str) -> Config:
        request = exchange.request([Message("user", question)], reply_schema(self._allowed, "none"))
        reply = exchange.send(request, "optimizer")
        refuse_aborted(reply.finish_reason)
        answer = parse_reply(reply.text, self._allowed, cut_off=exchange.limit_of(reply), thought=bool(reply.thinking))
        refuse_repeat(answer.config, exchange.shown, DIGITS)
        return answer.config

    def _draw(self, trajectory: Trajectory) -> Config:
        space = level_space(self._space) if self._asking.values == "levels" else self._space
        return untried(space, trajectory, self._seed, self._arm)


def pair_lines(trajectory: Trajectory) -> list[str]:
    """Return the best 20 different pairs of configuration and score, a line each, from the worst to the best."""
    scored = sorted((trial.score, -trial.number, trial) for trial in trajectory if trial.score is not None)
    lines = [f"{_config(trial)} score {score_text(score, trajectory.objective)}" for score, _, trial in scored]
    return list(dict.fromkeys(lines))[-MOST_PAIRS:]


def score_text(points: float, objective: Objective) -> str:
    """Write a score in the objective's own unit, with 4 significant digits and without the unit."""
    return f"{objective.value(points):.{DIGITS}g}"


def better_word(objective: Objective) -> str:
    """Return which scores are better, in a word."""
    return "higher" if objective.sign > 0 else "lower"


def most_frequent(answers: Sequence[Config]) -> Config:
    """Return the configuration that was answered most often, of several the first, its floats compared in 4 significant digits."""
    keys = [json.dumps(in_digits(config, DIGITS), sort_keys=True) for config in answers]
    count = Counter(keys)
    return answers[keys.index(max(keys, key=count.__getitem__))]


def _config(trial: Trial) -> str:
    return json.dumps(in_digits(trial.config, DIGITS), ensure_ascii=False)


def _check(asking: Asking) -> None:
    check_asking(asking)
    if asking.context != CONTEXT:
        raise SettingsError(f"optimizer.context={asking.context}: OPRO shows its own; leave it out")
