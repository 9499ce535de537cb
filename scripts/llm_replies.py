"""Ask an LLM for proposals as its arms do, and count how many are usable at the first try, and what each costs.

    python scripts/llm_replies.py --calls 200                                   # SmolLM2 in the process, all contexts, the six core tasks
    python scripts/llm_replies.py --tasks development --set agent.analysis=none # random problems, on which variants may be chosen
    python scripts/llm_replies.py --set llm=qwen agent.values=levels            # any LLM of conf/llm

The trials that are shown are the default and random draws, trained live (the development family's scores are computed). Each question
is asked once: a bad reply is counted, not asked again. `in the space` counts replies whose configuration is a member of the space, and
`usable` those that were not tried before. A question that does not fit the window is not asked, and counted apart. Seconds are of the
processor, of this process: of a model at a server they say nothing. Prints Markdown; `--out` also writes each reply as a line of JSON, and
the same command goes on from there.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from development_family import development_problem
from hydra import compose, initialize_config_dir

from harness.config.settings import conf_dir, register, resolved
from harness.config.values import Settings
from harness.llm.backend import Reply
from harness.llm.build import build_backend
from harness.llm.errors import TruncatedPrompt
from harness.optimizers.agent.agent import Agent
from harness.seeding import keyed_random
from harness.space import Config, Space
from harness.task import TaskCard
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial

BUDGET = 10
CORE = ("digits", "text", "graph", "madelon", "friedman", "ratings")
DEVELOPMENT = 6
NOT_MEMBERS = ("unparsed", "invalid", "aborted")
TOO_LONG = "too long"


@dataclass(frozen=True)
class Case:
    """A question: the trials of a task that are shown."""

    task: str
    space: Space
    card: TaskCard
    trajectory: Trajectory


@dataclass(frozen=True)
class Answer:
    """What came of one question. `kind` is empty for a usable reply; tokens are the server's counts; `seconds` of the processor."""

    task: str
    arm: str
    trials: int
    seed: int
    kind: str
    is_default: bool
    tokens_in: int
    tokens_out: int
    seconds: float
    text: str


def settings_of(*overrides: str) -> Settings:
    """Compose the settings of a cell as a command line would."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return resolved(compose("config", overrides=["tracking=off", *overrides]))


def core_cases(tasks: Sequence[str], shown: Sequence[int]) -> Iterator[Case]:
    """Train the default and random draws of each task, and yield its first trials."""
    for name in tasks:
        spec = settings_of(f"task={name}").task
        task = build_task(spec)
        configs = _drawn(task.space, max(shown), name)
        trainer = InProcess(task)
        outcomes = [trainer.train(config, seed=0) for config in configs]
        trainer.close()
        yield from _cases(name, task.space, spec.card, configs, outcomes, shown)


def development_cases(shown: Sequence[int]) -> Iterator[Case]:
    """Yield trials of the problems that methods may be chosen on. They have one epoch, and no names that a model could know."""
    card = TaskCard(
        title="A random problem", domain="synthetic", data="none", model="a formula", metric="score in percent", epochs="one"
    )
    for number in range(DEVELOPMENT):
        space, loss = development_problem(number)
        configs = _drawn(space, max(shown), f"development {number}")
        outcomes = [_computed(loss(config)) for config in configs]
        yield from _cases(f"development {number}", space, card, configs, outcomes, shown)


def _computed(loss: float) -> Outcome:
    if not math.isfinite(loss):
        return Outcome.failed(Status.DIVERGED, "the loss is infinite", (), 1.0)
    return Outcome.of_curve((Epoch(number=1, val_score_pct=100.0 / (1.0 + loss)),), 1.0)


def _drawn(space: Space, count: int, key: str) -> list[Config]:
    rng = keyed_random(0, "replies", sum(key.encode()))
    return [space.default(), *(space.sample(rng) for _ in range(count - 1))]


def _cases(
    name: str, space: Space, card: TaskCard, configs: list[Config], outcomes: list[Outcome], shown: Sequence[int]
) -> Iterator[Case]:
    trials = tuple(Trial(n, Proposal(c), o) for n, (c, o) in enumerate(zip(configs, outcomes, strict=True), start=1))
    for count in shown:
        yield Case(name, space, card, Trajectory.of(trials[:count]))


def ask(case: Case, arm: str, settings: Settings, seed: int) -> Answer:
    """Ask once, and judge the reply as the agent does."""
    assert settings.asking is not None
    replies: list[Reply] = []
    backend = build_backend(settings.llm, keep=lambda call: replies.extend([call.reply] if call.reply else []))
    asking = replace(settings.asking, attempts=1)
    agent = Agent(case.space, seed, asking=asking, card=case.card, budget=BUDGET, backend=backend)
    start = time.process_time()
    try:
        last = agent.propose(case.trajectory).note["replies"][-1]
    except TruncatedPrompt:
        last = {"kind": TOO_LONG, "problem": ""}
    seconds = time.process_time() - start
    return Answer(
        task=case.task,
        arm=arm,
        trials=len(case.trajectory),
        seed=seed,
        kind=str(last.get("kind", "")),
        is_default="of trial 1;" in str(last["problem"]),  # the default was tried first, so that a copy of it is a repeat
        tokens_in=sum(reply.prompt_tokens or 0 for reply in replies),
        tokens_out=sum(reply.completion_tokens or 0 for reply in replies),
        seconds=seconds,
        text=replies[-1].text if replies else "",
    )


def kept(file: Path | None) -> list[Answer]:
    """Return the answers that an earlier run wrote."""
    if file is None or not file.exists():
        return []
    return [Answer(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def table(answers: Sequence[Answer], by: str) -> str:
    """Return a Markdown table of shares and means for each arm or task."""
    lines = [
        f"| {by} | calls | in the space | usable | why not | the default | tokens in | tokens out | CPU, s | too long to ask |",
        "|" + "---|" * 10,
    ]
    asked = [answer for answer in answers if answer.kind != TOO_LONG]
    for name in dict.fromkeys(getattr(answer, by) for answer in asked):
        mine = [answer for answer in asked if getattr(answer, by) == name]
        members = sum(answer.kind not in NOT_MEMBERS for answer in mine)
        why = Counter(answer.kind for answer in mine if answer.kind)
        cells = [
            name,
            len(mine),
            f"{members / len(mine):.1%}",
            f"{sum(not a.kind for a in mine) / len(mine):.1%}",
            ", ".join(f"{kind} {count}" for kind, count in why.items()) or "-",
            sum(a.is_default for a in mine),
            round(mean(a.tokens_in for a in mine)),
            round(mean(a.tokens_out for a in mine)),
            f"{mean(a.seconds for a in mine):.1f}",
            sum(getattr(answer, by) == name for answer in answers) - len(mine),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, ask, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=60, help="number of questions, evenly over tasks, trials and arms")
    parser.add_argument("--tasks", nargs="+", default=list(CORE), help="names in conf/task, or: development")
    parser.add_argument("--arms", nargs="+", default=["tcs", "raw", "scores", "blind", "shuffled"], help="names in conf/optimizer")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 3, 6, 9], help="how many trials a question shows")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further settings, as on the command line")
    parser.add_argument("--out", type=Path, help="file for the replies, a line of JSON each")
    options = parser.parse_args()
    register()
    llm = [] if any(entry.startswith("llm=") for entry in options.set) else ["llm=smollm2"]
    arms = {arm: settings_of("task=toy", f"optimizer={arm}", *llm, *options.set) for arm in options.arms}
    cases = list(
        development_cases(options.trials) if options.tasks == ["development"] else core_cases(options.tasks, options.trials)
    )
    answers = kept(options.out)
    known = {(a.task, a.arm, a.trials, a.seed) for a in answers}
    # Everything is asked again with further seeds, but not where nothing fits the window.
    seeds = itertools.takewhile(lambda seed: not seed or any(a.kind != TOO_LONG for a in answers), itertools.count())
    questions = ((seed, case, arm) for seed in seeds for case, arm in itertools.product(cases, arms))
    for seed, case, arm in questions:
        if sum(answer.kind != TOO_LONG for answer in answers) >= options.calls:
            break
        if (case.task, arm, len(case.trajectory), seed) in known:
            continue
        answers.append(ask(case, arm, arms[arm], seed))
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(vars(answers[-1]), ensure_ascii=False) + "\n")
        print(f"\r{len(answers)}/{options.calls}", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(table(answers, "arm"))
    print()
    print(table(answers, "task"))


if __name__ == "__main__":
    main()
