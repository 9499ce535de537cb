"""The facts of the summary that the probe changes: at least one for every expert block.

A change lets one block see another past than the recorded one: two trials exchange their outcomes, or a trial failed. The other blocks
see the recorded trials, so that the text differs in that block only. Where a fact can be changed alone (a verdict, the phase), the block's
section is changed. Either way the block itself writes the text, as the harness would write it about such a past.

The blocks of a changed summary may contradict each other, which those of a recorded summary never do. The change `all.scores` lets all
blocks see the same exchange, and contradicts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import SettingsError, near
from harness.space import Space
from harness.tcs import BLOCKS, Section
from harness.tcs.analysis.verdict import Judgement, Verdict, best_of_others, judge
from harness.tcs.blocks.last_trial import last_trial
from harness.tcs.blocks.phase import Mode, Rule, phase
from harness.tcs.view.scale import Scale
from harness.trial import Outcome, Status, Trajectory, Trial

ALL = "all"
_GOOD = (Verdict.HEALTHY, Verdict.PLATEAU, Verdict.STILL_IMPROVING)
# In the words of `harness.tcs.analysis.verdict`.
_HEALTHY = Judgement(Verdict.HEALTHY, "calm at the end, and no other verdict holds")
_OVERFITTING = Judgement(Verdict.OVERFITTING, "validation loss 50% above its minimum while training got no worse")


@dataclass(frozen=True)
class Edit:
    """A change of one state.

    trial: the number of the trial that the changed fact speaks of. favours: whether it speaks for that trial's configuration, or against
    it. past: what the block sees in the place of the recorded trials. section: what it then found, where that is not what it reads in
    `past`.
    """

    trial: int
    favours: bool
    past: Trajectory
    section: Section | None = None


@dataclass(frozen=True)
class Change:
    """A fact that is changed in what one block sees, or `all`. `make` has the form of a block, and returns None where no fact is so.

    title: a few words for the tables. what: one sentence.
    """

    block: str
    fact: str
    title: str
    what: str
    make: Callable[[Space, Trajectory, int], Edit | None]

    @property
    def key(self) -> str:
        """The name on the command line and in the records."""
        return f"{self.block}.{self.fact}"

    def sees(self, block: str) -> bool:
        """Say whether a block sees the change."""
        return self.block in (ALL, block)


def best_exchanged(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:  # noqa: ARG001 - the form of a block
    """Exchange the outcomes of the best and the worst scored trial. It speaks for the one that was the worst."""
    return _exchanged(trajectory, trajectory.trials)


def earlier_exchanged(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:  # noqa: ARG001
    """Exchange the outcomes of the best and the worst scored trial before the last one. It speaks for the one that was the worst."""
    return _exchanged(trajectory, trajectory.trials[:-1])


def last_two_exchanged(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:  # noqa: ARG001
    """Exchange the outcomes of the last two trials, so that a gain is a loss. It speaks for the worse of the two."""
    pair = trajectory.trials[-2:]
    return None if any(trial.score is None for trial in pair) else _exchanged(trajectory, pair)


def last_exchanged(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:  # noqa: ARG001
    """Give the last trial the outcome of the best one, which speaks for it; where it is the best, that of the worst, against it."""
    found = _ends(trajectory.trials)
    if found is None or not len(trajectory) or trajectory[-1].score is None:
        return None
    (worst, best), last = found, trajectory[-1]
    is_best = last.score == best.score
    return Edit(last.number, not is_best, _swapped(trajectory, last, worst if is_best else best))


def best_failed(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:  # noqa: ARG001
    """Let the best trial have failed, as the first failed trial did, which takes its outcome, or by divergence. It speaks against it."""
    best, failed = trajectory.incumbent, next((trial for trial in trajectory if trial.score is None), None)
    if best is None:
        return None
    if failed is not None:
        return Edit(best.number, False, _swapped(trajectory, best, failed))
    diverged = Outcome.failed(Status.DIVERGED, "val_loss is nan", best.outcome.curve[:1], best.outcome.seconds)
    return Edit(best.number, False, _with(trajectory, {best.number: diverged}))


def verdict_turned(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:
    """Turn a good verdict on the last training into overfitting, which speaks against it, and a bad one into healthy.

    None where the training failed or was too short for a verdict.
    """
    if not len(trajectory) or trajectory[-1].score is None:
        return None
    last = trajectory[-1]
    verdict = judge(last.outcome, best_of_others(trajectory.trials)[-1], scale=Scale(trajectory.objective)).verdict
    if verdict is Verdict.TOO_SHORT:
        return None
    turned = _OVERFITTING if verdict in _GOOD else _HEALTHY
    section = replace(last_trial(space, trajectory, budget), judgement=turned)
    return Edit(last.number, turned is _HEALTHY, trajectory, section)


def phase_turned(space: Space, trajectory: Trajectory, budget: int) -> Edit | None:
    """Turn explore into exploit, which speaks for the incumbent, and exploit into explore, which speaks against it; the hints with it."""
    best, found = trajectory.incumbent, phase(space, trajectory, budget)
    if best is None or found.mode is Mode.FINISHED:
        return None
    exploit = found.mode is Mode.EXPLORE
    done = len(trajectory)
    # With one trial left the block exploits, and with nearly all of them it explores.
    other = phase(space, trajectory, done + 1 if exploit else 10 * done)
    rule = Rule.OTHERWISE if exploit else Rule.STAGNATION
    return Edit(best.number, exploit, trajectory, replace(other, rule=rule, left=found.left))


def _exchanged(trajectory: Trajectory, among: Sequence[Trial]) -> Edit | None:
    found = _ends(among)
    if found is None:
        return None
    worst, best = found
    return Edit(worst.number, True, _swapped(trajectory, worst, best))


def _ends(trials: Sequence[Trial]) -> tuple[Trial, Trial] | None:
    """Return the worst and the best scored trial, the first ones on a tie; None where no two scores differ."""
    scored = [(trial.score, trial) for trial in trials if trial.score is not None]
    worst, best = (pick(scored, key=lambda pair: pair[0], default=None) for pick in (min, max))
    return None if worst is None or best is None or worst[0] == best[0] else (worst[1], best[1])


def _swapped(trajectory: Trajectory, one: Trial, other: Trial) -> Trajectory:
    return _with(trajectory, {one.number: other.outcome, other.number: one.outcome})


def _with(trajectory: Trajectory, outcomes: Mapping[int, Outcome]) -> Trajectory:
    trials = (replace(trial, outcome=outcomes.get(trial.number, trial.outcome)) for trial in trajectory)
    return Trajectory(tuple(trials), trajectory.objective)


_OWN = (
    Change("status", "best", "best trial", "The best and the worst trial exchange their outcomes.", best_exchanged),
    Change("last_trial", "outcome", "outcome", "The last trial has the outcome of the best one, or of the worst.", last_exchanged),
    Change("last_trial", "verdict", "verdict", "A good verdict on the last training is a bad one, or the reverse.", verdict_turned),
    Change(
        "curves", "scores", "two rows", "The best and the worst trial before the last exchange their outcomes.", earlier_exchanged
    ),
    Change("parameters", "best", "best value", "The best and the worst trial exchange their outcomes.", best_exchanged),
    Change("changes", "sign", "last gain", "The last two trials exchange their outcomes: a gain is a loss.", last_two_exchanged),
    Change("failures", "best", "best failed", "The best trial has failed.", best_failed),
    Change("phase", "mode", "mode", "Explore is exploit, with its hints, or the reverse.", phase_turned),
)


def _for_block(block: str) -> tuple[Change, ...]:
    own = tuple(change for change in _OWN if change.block == block)
    # What any block may read, for one that has no change of its own here.
    return own or (Change(block, "scores", "two scores", "The best and the worst trial exchange their outcomes.", best_exchanged),)


CHANGES: Mapping[str, Change] = {
    change.key: change
    for change in (
        *(change for block in BLOCKS for change in _for_block(block)),
        Change(
            ALL, "scores", "two scores", "The best and the worst trial exchange their outcomes, in every block.", best_exchanged
        ),
    )
}


def changes_named(names: Sequence[str], blocks: Sequence[str]) -> tuple[Change, ...]:
    """Return the changes with these keys or of these blocks, all of them without a name, that a summary of `blocks` can show.

    Raises SettingsError for a name that is none, and where nothing is left.
    """
    groups = {change.block for change in CHANGES.values()}
    for name in names:
        if name not in CHANGES and name not in groups:
            raise SettingsError(f"--changes {name}: there is no such change{near(name, [*CHANGES, *groups])}")
    asked = [change for change in CHANGES.values() if not names or change.key in names or change.block in names]
    kept = tuple(change for change in asked if change.block in (ALL, *blocks))
    if not kept:
        raise SettingsError(f"--changes {','.join(names)}: the arm's summary has no such block; it has {', '.join(blocks)}")
    return kept
