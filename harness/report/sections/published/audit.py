"""The audit of the published system: which of its parts does the work, in sentences with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.render.document import Answer, Column, Item, Section, Table, Text, Tone, columns, interval, number, row
from harness.report.render.units import difference_digits, score_of, steps_of
from harness.report.sections.contrasts import measures, pairs_text
from harness.report.sections.findings import Findings, Pool
from harness.report.sections.published.chosen import chosen_frame, own_share

METHOD = "harness.optimizers.published.agent.Published"
# With fewer seeds on a task than these, or where the LLM chose less than this share of the values, no verdict is given.
LEAST_SEEDS = 5
LEAST_OWN = 0.5
WITHHELD = "Withheld"
NOT_RUN = "Not in this study"

RULES_ALONE = "Do the hidden rules alone explain the gain?"
COMPARISON = "Does the comparison block matter once it is right?"
DICTIONARY = "Does the raw dictionary help or harm?"
LEAK = "Is the target a leak?"

# For each switch: what the arm with it does, and what stands in the released system.
SWITCHES = {
    ("after_rules", "off"): ("its hidden rules are off", "they change the LLM's answers"),
    ("previous", "real"): ("a trial is compared with the one before it", "a trial is compared with itself"),
    ("curve", "none"): ("no raw dictionary is shown", "the whole raw dictionary is shown"),
    ("curve", "thinned"): ("the raw dictionary is thinned to epochs 1, 5, 10, ...", "the whole raw dictionary is shown"),
    ("target", "hidden"): ("the fixed target is hidden", "the fixed target is shown"),
    ("overfitting", "real"): ("overfitting is read from the real train metric", "the train metric is looked up by a wrong name"),
    ("options", "shown"): ("options of categoricals, and scales, are shown", "they are hidden from the Analyzer"),
    ("repair", "strict"): ("an unusable value is asked for again", "an unusable value silently becomes the default"),
    ("score", "best"): ("the best epoch is told", "the last epoch is told"),
    ("window", "4096"): ("the prompt is cut to its last 4,096 tokens", "the whole prompt is sent"),
}


@dataclass(frozen=True)
class Compared:
    """One comparison: `first` less `second`, on one pool of tasks. `says` is what the first differs in; `entry` holds the measures."""

    first: str
    second: str
    says: str
    pool: Pool
    entry: Mapping[str, Any]
    withheld: str

    @property
    def word(self) -> str:
        """More, less, unclear, or withheld."""
        if self.withheld:
            return WITHHELD
        return "better" if self.entry["low"] > 0 else "worse" if self.entry["high"] < 0 else "unclear"

    @property
    def figures(self) -> str:
        """The difference with its interval."""
        digits = difference_digits(self.pool.objective)
        return f"{number(self.entry['difference'], digits, sign=True)} {interval(self.entry['low'], self.entry['high'], digits)}"


def switches_of(arm: Arm) -> dict[str, str]:
    """Return the switches of an arm of the published system; empty for any other arm."""
    optimizer = arm.setting.get("optimizer")
    options = optimizer.get("options") if isinstance(optimizer, Mapping) else None
    switches = options.get("switches") if isinstance(options, Mapping) else None
    return (
        {str(name): str(value) for name, value in switches.items()}
        if arm.method == METHOD and isinstance(switches, Mapping)
        else {}
    )


def is_audited(arms: Mapping[str, Arm]) -> bool:
    """Say whether a study holds an arm of the published system."""
    return any(map(switches_of, arms.values()))


class Audit:
    """The comparisons of a study: each between two of its arms, on each pool of tasks."""

    def __init__(self, found: Findings) -> None:
        self._found = found
        self._ran = {name: arm for name, arm in found.arms.items() if name not in found.absent}
        self._chosen = chosen_frame(found.study, found.arms)

    @property
    def bases(self) -> list[Arm]:
        """The arms that run the released system as it is, one for each LLM and start that ran."""
        return [arm for arm in self._ran.values() if switches_of(arm) and not _changed(arm)]

    @property
    def alone(self) -> list[Arm]:
        """The arms that run its hidden rules without an LLM."""
        return [arm for arm in self._ran.values() if switches_of(arm).get("after_rules") == "alone"]

    def variant(self, base: Arm, switch: str, value: str) -> Arm | None:
        """Return the arm that differs from `base` in one switch and nothing else."""
        for arm in self._ran.values():
            same = arm.llm == base.llm and arm.model == base.model and arm.start == base.start and arm.budget == base.budget
            if same and _changed(arm) == {switch: value}:
                return arm
        return None

    def named(self, role: str, start: str = "", context: str = "", llm: str = "") -> Arm | None:
        """Return the first arm with a role that ran; `start`, `context` and `llm` count where they are given."""
        for arm in self._ran.values():
            fits = arm.role == role and start in ("", arm.start) and context in ("", arm.context) and llm in ("", arm.llm)
            if fits and not switches_of(arm):
                return arm
        return None

    def compare(self, first: Arm | None, second: Arm | None, says: str) -> Iterator[Compared]:
        """Yield the comparison on each pool of tasks on which both have a pair; nothing where either did not run."""
        if first is None or second is None:
            return
        for pool in self._found.pools:
            pairs = self._found.index.only(pool.tasks).pairs(first.name, second.name)
            if pairs.count:
                entry = measures(pairs, self._found.how)
                withheld = self._withheld(first, second, entry, min(map(len, pairs.strata)))
                yield Compared(first.name, second.name, says, pool, entry, withheld)

    def _withheld(self, first: Arm, second: Arm, entry: Mapping[str, Any], seeds: int) -> str:
        """Return why no verdict is given; empty where one is."""
        for arm in (first, second):
            if arm.answered.double:
                return f"the answers of {arm.name} came from a test double"
            own = own_share(self._chosen, arm.name)
            if own is not None and own < LEAST_OWN:
                return f"the LLM of {arm.name} chose {100 * own:.0f} % of its values, and a verdict takes {100 * LEAST_OWN:.0f} %"
        if seeds < LEAST_SEEDS:
            return f"{seeds} seed{'' if seeds == 1 else 's'} on a task, and a verdict takes {LEAST_SEEDS}"
        return str(entry["why"])


def _changed(arm: Arm) -> dict[str, str]:
    """Return the switches of an arm that are not as released."""
    released = {"after_rules": "on", "previous": "itself", "curve": "whole", "target": "shown", "overfitting": "as_named"}
    released |= {"options": "hidden", "repair": "silent", "score": "last", "window": "full"}
    return {name: value for name, value in switches_of(arm).items() if value != released.get(name)}


def audit_answers(found: Findings) -> tuple[Answer, ...]:
    """Answer the four questions of the audit; nothing for a study without the published system."""
    if not is_audited(found.arms):
        return ()
    audit = Audit(found)
    return (
        _rules_answer(audit),
        _switch_answer(audit, COMPARISON, (("previous", "real"),), ("Yes: it helps", "Yes: it harms", "It does not show")),
        _switch_answer(audit, DICTIONARY, (("curve", "none"), ("curve", "thinned")), ("It harms", "It helps", "Neither shows")),
        _switch_answer(audit, LEAK, (("target", "hidden"),), ("No: it harms", "Yes: it helps", "It does not show")),
    )


def _rules_answer(audit: Audit) -> Answer:
    """Compare the released system with its hidden rules alone, and those with what needs neither."""
    lines: list[Compared] = []
    random, default = audit.named("random", "default"), audit.named("default")
    beyond: list[Compared] = []
    for alone in audit.alone:
        for base in audit.bases:
            beyond += audit.compare(base, alone, "the LLM with the rules, against the rules alone")
        lines += audit.compare(alone, random, "the rules alone, against random search from the default")
        lines += audit.compare(alone, default, "the rules alone, against the default and no search")
    for base in audit.bases:
        lines += audit.compare(base, audit.variant(base, "after_rules", "off"), "the rules on, against the rules off")
        lines += audit.compare(base, random, "the released system, against random search from the default")
    if not beyond and not lines:
        return _absent(RULES_ALONE, "It takes published.after_rules=alone, and the released system with an LLM.")
    words = ("No: the LLM adds to them", "They do better without the LLM", "It does not show that the LLM adds anything")
    if beyond:
        return _answered(RULES_ALONE, beyond, lines, words)
    return Answer(
        RULES_ALONE,
        "Only they ran",
        "warn",
        f"No arm with an LLM has ended, so that this is what the rules do by themselves. {_sentences(lines)}",
        "published",
        _figures(lines),
    )


def _switch_answer(audit: Audit, question: str, switches: Sequence[tuple[str, str]], words: tuple[str, str, str]) -> Answer:
    """Answer from the arms that differ in a switch. `words`: the arm with the switch is better, worse, or neither shows."""
    lines: list[Compared] = []
    for switch, value in switches:
        for base in audit.bases:
            lines += audit.compare(audit.variant(base, switch, value), base, _says(switch, value))
    if not lines:
        keys = " or ".join(f"published.{switch}={value}" for switch, value in switches)
        return _absent(question, f"It takes the released system with an LLM, and the same with {keys}.")
    return _answered(question, lines, [], words)


def _answered(question: str, deciding: Sequence[Compared], others: Sequence[Compared], words: tuple[str, str, str]) -> Answer:
    better, worse, neither = words
    found = {compared.word for compared in deciding}
    word: str
    tone: Tone
    if found == {"better"}:
        word, tone = better, "good"
    elif found == {"worse"}:
        word, tone = worse, "bad"
    elif found == {WITHHELD}:
        word, tone = WITHHELD, "muted"
    else:
        word, tone = (neither, "warn") if found <= {"unclear", WITHHELD} else ("It depends", "warn")
    shown = [*deciding, *others]
    return Answer(question, word, tone, _sentences(shown), "published", _figures(shown))


def _absent(question: str, text: str) -> Answer:
    return Answer(question, NOT_RUN, "muted", text, "published")


def _says(switch: str, value: str) -> str:
    done, released = SWITCHES[switch, value]
    return f"{done}, where in the released system {released}"


def _figures(lines: Sequence[Compared]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{line.first} − {line.second}{f' on {line.pool.name}' if line.pool.name else ''}", line.figures) for line in lines
    )


def _sentences(lines: Sequence[Compared]) -> str:
    return " ".join(map(sentence, lines))


def sentence(line: Compared) -> str:
    """Say one comparison: the difference with its interval, or why there is no verdict."""
    entry, objective = line.entry, line.pool.objective
    digits, steps = difference_digits(objective), steps_of(objective)
    pairs = "1 pair" if entry["pairs"] == 1 else f"{entry['pairs']} pairs"
    of_pool = f" on {line.pool.name}" if line.pool.name else ""
    what = f"{line.says[:1].upper()}{line.says[1:]}{of_pool}"
    difference = f"{number(entry['difference'], digits, sign=True)} {steps} of {score_of(objective)}"
    if line.withheld:
        return f"{what}: {difference} over {pairs}; the verdict is withheld ({line.withheld})."
    return f"{what}: {difference}, with an interval of {interval(entry['low'], entry['high'], digits)} over {pairs}."


def audit_section(found: Findings) -> Section:
    """Build the section: what the system is, the four answers in sentences, and every switch against the system as released."""
    audit = Audit(found)
    items: list[Item] = [
        "The system that the paper's authors released asks two agents. After each training, the first reads a summary of all trainings and "
        "writes an analysis; before the next one, the second turns that analysis into a configuration. Before it is trained, code that "
        "neither of them knows of repairs its values and, from the third trial on, multiplies some by fixed factors (the hidden rules: the "
        "learning rate by 0.7 when the metric fell and by 1.2 when it stood still; with much or little overfitting also dropout, weight "
        "decay and the size of trees). Here it is rebuilt from facts about it, in sentences of the harness's own, and run with one part "
        "changed at a time. Above 0, the first arm is better.",
    ]
    items += [f"{answer.question} {answer.word}. {answer.text}" for answer in audit_answers(found)]
    lines = list(_all_lines(audit))
    if lines:
        items.append(_table(lines, found))
    return Section("published", "The published system: which part does the work", tuple(items))


def _all_lines(audit: Audit) -> Iterator[Compared]:
    random, default, rules = audit.named("random", "default"), audit.named("default"), audit.named("rules")
    for base in audit.bases:
        for switch, value in SWITCHES:
            yield from audit.compare(audit.variant(base, switch, value), base, _says(switch, value))
        for context in ("tcs", "raw"):
            ours = audit.named("llm", base.start, context, base.llm)
            yield from audit.compare(base, ours, f"the released system, against the harness's own agent with context {context}")
        yield from audit.compare(base, rules, "the released system, against fixed rules on the harness's summary")
        yield from audit.compare(base, random, "the released system, against random search from the default")
        for alone in audit.alone:
            yield from audit.compare(base, alone, "the LLM with the rules, against the rules alone")
    for alone in audit.alone:
        yield from audit.compare(alone, random, "the rules alone, against random search from the default")
        yield from audit.compare(alone, default, "the rules alone, against the default and no search")
        yield from audit.compare(alone, rules, "the hidden rules alone, against fixed rules on the harness's summary")


def _table(lines: Sequence[Compared], found: Findings) -> Table:
    percent = f"{100 * found.options.confidence:g} %"
    rows = []
    for line in lines:
        digits, difference = difference_digits(line.pool.objective), line.entry["difference"]
        rows.append(
            row(
                f"{line.first} − {line.second}",
                line.says,
                pairs_text(line.entry),
                Text(number(difference, digits, sign=True), value=difference),
                Text(interval(line.entry["low"], line.entry["high"], digits), value=difference),
                Text(line.word.lower(), tone={"better": "good", "worse": "bad"}.get(line.word, "muted")),  # type: ignore[arg-type]
            )
        )
    heads = (Column("what differs", numeric=False), Column("pairs"), Column("difference"), Column(f"{percent}, these tasks"))
    data = pd.DataFrame(
        {"first": line.first, "second": line.second, "says": line.says, "pool": line.pool.name, "withheld": line.withheld}
        | {name: line.entry[name] for name in ("pairs", "difference", "low", "high", "p")}
        for line in lines
    )
    reasons = tuple(f"Withheld: {reason}." for reason in dict.fromkeys(line.withheld for line in lines) if reason)
    names = [name for line in lines for name in (line.first, line.second)]
    title = "One part changed at a time"
    return Table(
        "published",
        title,
        columns("first − second", *heads, Column("", numeric=False)),
        tuple(rows),
        data,
        (*reasons, *found.marks.notes(names)),
    )
