"""The facts under the title, and the section on method: tasks, arms, intervals, versions and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from harness.report.analysis.arms import Arm
from harness.report.analysis.frames import rows_of
from harness.report.analysis.intervals import LEAST_DIFFERING, LEAST_SEEDS
from harness.report.analysis.objectives import Objectives, in_brief
from harness.report.analysis.plain import described
from harness.report.render.document import Column, Fold, Item, Section, Table, Text, listed, row
from harness.report.render.units import scores_in_words, task_name, validation_notes
from harness.report.sections.coverage import coverage_sentence
from harness.report.sections.findings import Findings
from harness.report.sections.simulated import coverage_table, coverage_words, repeated_words
from harness.report.study_data import CellData, StudyData, mapping

_SOURCE = (
    "The source of the method reports about 0.9 percentage points between its small LLMs and GPT-4, on its own six tasks with 10 trials; "
    "these are other tasks."
)
_RELEASE = (
    "Its authors released code in September 2025 (PSquare-Lab/LLM_TCS_HPT, commit 08a9a5b, without a licence). It holds both agents with "
    "their prompts, the summary, the loop, and two of the six tasks with their spaces (butterfly images, SST-2); a third is named. It does "
    "not hold the arms that the paper compares with (random search, Bayesian optimisation, GPT-3.5 and GPT-4, no summary), result "
    "tables, the other tasks, or any seed of the loop. The arms named published rebuild that system from facts, in other sentences."
)


def facts_of(found: Findings) -> tuple[tuple[str, str], ...]:
    """Return the lines under the title."""
    study, frames, reference = found.study, found.frames, found.reference
    budgets = sorted(set(frames.cells["budget"]))
    seeds = frames.cells.groupby(["arm", "task"])["seed"].nunique()
    span = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    size = f"{_many(len(study.arms), 'arm')} on {_many(len(study.tasks), 'task')}, {span} seeds each"
    size += f", {listed(list(map(str, budgets)))} trials a cell"
    what = "a comparison of tuning methods on declared tasks, about these tasks only, and not a repetition of any paper's numbers"
    if study.race is not None:
        what = f"a race of tuning methods on {study.race.task}, about this task only"
    return (
        ("What this is", what),
        ("Size", size),
        *([] if frames.objectives.plain else [("Scores", scores_in_words(frames.objectives))]),
        ("Coverage", coverage_sentence(frames)),
        ("Reference arm", f"{reference[0]} ({reference[1]})"),
        *_run_fact(study),
        *_remarks(study),
        *_table_fact(study),
        *_repeated_fact(study),
        ("Read from", f"{study.origin} ({study.caveat})" if study.caveat else study.origin),
    )


def _run_fact(study: StudyData) -> tuple[tuple[str, str], ...]:
    """Say when the cells were started and from which commit, as their manifests record it."""
    made = sorted(str(cell.manifest["created"])[:16].replace("T", " ") for cell in study.cells if cell.manifest.get("created"))
    gits = [mapping(mapping(cell.manifest.get("environment")).get("git")) for cell in study.cells]
    commits = list(dict.fromkeys(str(git["commit"])[:12] for git in gits if git.get("commit")))
    dirty = sum(bool(git.get("dirty")) for git in gits)
    parts = [made[0] if made[0] == made[-1] else f"{made[0]} to {made[-1]}"] if made else []
    parts += [f"commit {listed(commits, 3)}"] if commits else []
    parts += [f"{_many(dirty, 'cell')} with uncommitted changes"] if dirty else []
    return (("Run", ", ".join(parts)),) if parts else ()


def _remarks(study: StudyData) -> tuple[tuple[str, str], ...]:
    """Repeat what the settings of an LLM say of results with it."""
    settings = [mapping(cell.settings.get("llm")) for cell in study.cells]
    said = dict.fromkeys((str(llm.get("name")), str(llm["remark"])) for llm in settings if llm.get("remark"))
    return tuple((f"The LLM {name}", remark) for name, remark in said)


def _table_fact(study: StudyData) -> tuple[tuple[str, str], ...]:
    """Say that trainings come from tables, and what that means for the numbers; nothing where all were live."""
    begun, looked_up = sum(bool(cell.identity) for cell in study.cells), _looked_up(study)
    if not looked_up:
        return ()
    seeds = table_seeds(study)
    share = "" if len(looked_up) == begun else f" in {len(looked_up)} of {begun} cells"
    return (
        (
            "Trainings",
            f"replayed from tables{share}: a grid is each task's space, seconds are those of the recorded trainings, and the cells "
            f"share {_many(seeds, 'training seed')}, so that intervals are over the methods' own draws",
        ),
    )


def _looked_up(study: StudyData) -> list[CellData]:
    return [cell for cell in study.cells if mapping(cell.identity.get("evaluator")).get("table")]


def table_seeds(study: StudyData) -> int:
    """Return how many training seeds the cells share whose trainings come from tables; 0 where all were live."""
    return len({cell.identity.get("train_seed") for cell in _looked_up(study)})


def draws_repeat(study: StudyData) -> bool:
    """Say whether methods drew the same numbers on several tasks. They did in cells whose identity holds no versions."""
    old = [cell for cell in study.cells if cell.identity and "versions" not in cell.identity]
    return len({cell.task for cell in old}) > 1


def _repeated_fact(study: StudyData) -> tuple[tuple[str, str], ...]:
    """Say that methods drew the same numbers on every task."""
    if not draws_repeat(study):
        return ()
    begun = [cell for cell in study.cells if cell.identity]
    old = [cell for cell in begun if "versions" not in cell.identity]
    where = "methods" if len(old) == len(begun) else f"in {len(old)} of {len(begun)} cells, methods"
    text = (
        f"{where} drew the same numbers on every task, as they did before cells recorded versions: the scores of one seed move together "
        "over tasks (correlations up to 0.37 were seen), and intervals over several tasks are too short. In the worst case of the "
        f"simulations they hold the truth {repeated_words()}, where 95 are meant"
    )
    return (("Draws", text),)


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def about_section(found: Findings) -> Section:
    """Build the section: how the numbers were made, the tasks, the arms, the versions and the machines."""
    study, arms, options = found.study, found.arms, found.options
    percent = f"{100 * options.confidence:g} %"
    items: list[Item] = [
        f"{_what_scores_are(found.objectives)} A trial's score is that of its best epoch by validation; a cell's is the test "
        "score of the trial with the best validation score. No method sees a test score. A trial that fails uses up budget and has no "
        "score; nothing stands in for it.",
        f"{percent} intervals of differences are the wider of two on either side: Student's t with Welch and Satterthwaite's degrees of "
        f"freedom, and a stratified bootstrap-t ({options.resamples:,} resamples), which draws seeds again within each task and divides "
        f"each draw by its own standard error. With fewer than {LEAST_SEEDS} seeds a task it is Student's t alone. They are for one "
        "comparison at a time, and take what one seed draws on different tasks as independent.",
        f"There is no interval, and so neither a PASS nor a FAIL, where hardly any pair differs: where all pairs of a task are alike, or "
        f"most are and fewer than {LEAST_DIFFERING} differ. Pairs that all tie leave open how much the next one would differ. Only of arms "
        "that are the same by construction is more known, and that is in their settings, not in their scores.",
        *coverage_words(),
        Fold("How often the intervals hold the truth, case by case", (coverage_table(),)),
        "The curves over trials carry Student's t intervals of mean scores, not of differences.",
        *((_SOURCE, _RELEASE) if study.race is None else ()),
        _tasks(study, found.objectives),
        _arms(arms),
        Fold("Versions and machines", (_versions(study),)),
    ]
    return Section("about", "Method: what was run, and how the numbers were made", tuple(items))


def _what_scores_are(objectives: Objectives) -> str:
    if objectives.plain:
        return "Every score is a percentage, higher is better."
    only = objectives.without_test
    said = (
        "Every score is in its task's own unit, and the table of the tasks says which direction is better. Differences are signed so that "
        "above 0 is better. Only scores of one unit and direction are averaged; ranks may be, for they have no unit."
    )
    return f"{said} {listed(only, 30)}: no test score, so what is said of test scores is their validation scores." if only else said


def _tasks(study: StudyData, objectives: Objectives) -> Table:
    heads = tuple(Column(name, numeric=False) for name in ("task", "domain", "what", "data", "metric"))
    entries = []
    for task in study.tasks:
        card = next((cell.card for cell in study.cells if cell.task == task and cell.manifest), {})
        entries.append({"task": task, **{key: str(card.get(key, "")) for key in ("domain", "title", "data", "metric")}})
    rows = tuple(row(e["task"], e["domain"], e["title"], e["data"], e["metric"]) for e in entries)
    data = pd.DataFrame(entries)
    if objectives.plain:
        return Table("tasks", "Tasks", heads, rows, data)
    scores = [in_brief(objectives[task]) for task in study.tasks]
    named = tuple(
        (Text(task_name(task, objectives[task])), *texts[1:], Text(said))
        for task, texts, said in zip(study.tasks, rows, scores, strict=True)
    )
    heads = (*heads, Column("scores", numeric=False))
    return Table("tasks", "Tasks", heads, named, data.assign(scores=scores), validation_notes(objectives))


def _arms(arms: Mapping[str, Arm]) -> Table:
    heads = (
        Column("arm", numeric=False),
        Column("what it is", numeric=False),
        Column("model", numeric=False),
        Column("start-up trials"),
        Column("budget"),
    )
    rows = tuple(row(arm.name, described(arm), _model(arm), str(arm.startup_trials), str(arm.budget)) for arm in arms.values())
    data = pd.DataFrame(
        {
            name: getattr(arm, name)
            for name in ("name", "role", "method", "context", "llm", "model", "start", "startup_trials", "budget")
        }
        | {
            "answered_by": ", ".join(arm.answered.others),
            "test_double": arm.answered.double,
            "small_llm": arm.small_llm,
            "knows_default": arm.knows_default,
        }
        for arm in arms.values()
    )
    return Table("arms", "Arms, as their manifests describe them", heads, rows, data)


def _model(arm: Arm) -> str:
    """Name the model that was asked, and the models that answered in its place."""
    others = f"; answered by {listed(arm.answered.others, 3)}" if arm.answered.others else ""
    return f"{arm.model or '–'}{others}{'; a test double' if arm.answered.double else ''}"


def _versions(study: StudyData) -> Table:
    """Count the cells by commit, machine and versions. Several rows of one kind mean that the cells were not made alike."""
    counts: Counter[tuple[str, str]] = Counter()
    for cell in study.cells:
        environment = mapping(cell.manifest.get("environment"))
        git, machine = (mapping(environment.get(key)) for key in ("git", "machine"))
        if git:
            counts["commit", f"{str(git.get('commit', '?'))[:12]}{' with uncommitted changes' if git.get('dirty') else ''}"] += 1
        if machine:
            counts[
                "machine", ", ".join(str(machine[key]) for key in ("processor", "system", "cores") if key in machine) + " cores"
            ] += 1
        if environment.get("python"):
            counts["python", str(environment["python"])] += 1
        for package, version in mapping(environment.get("packages")).items():
            counts[str(package), str(version)] += 1
    data = pd.DataFrame(
        [{"what": what, "version": version, "cells": n} for (what, version), n in counts.items()],
        columns=["what", "version", "cells"],
    )
    rows = tuple(row(e["what"], e["version"], str(e["cells"])) for e in rows_of(data))
    heads = (Column("what", numeric=False), Column("version", numeric=False), Column("cells"))
    return Table("versions", "Made with", heads, rows, data)
