"""A study in which every name and every text is hostile to a terminal, a page, Markdown, LaTeX, a spreadsheet or a reader."""

from __future__ import annotations

from dataclasses import replace

from report.conftest import GPT, PHI, in_memory
from support.hostile import HOSTILE as HOSTILE

from harness.report.study_data import Call, CellData, State, StudyData
from harness.testing.synthetic_study import SyntheticArm, SyntheticStudy, llm_arm
from harness.trial import Proposal


def hostile_study() -> StudyData:
    """Return a study in which every name and text is hostile."""
    arms = [SyntheticArm("0"), llm_arm("1", PHI + HOSTILE[6], "tcs"), llm_arm("gpt4", GPT, "raw")]
    arms += [SyntheticArm(str(number), role="tuner", target="x.Y", startup_trials=10) for number in range(2, len(HOSTILE))]
    study = in_memory(SyntheticStudy(arms, ("0", "2", "5"), range(2)))
    renamed = [replace(c, task=HOSTILE[int(c.task)], arm=c.arm if c.arm == "gpt4" else HOSTILE[int(c.arm)]) for c in study.cells]
    cells = tuple(_hostile(cell, HOSTILE[number % len(HOSTILE)]) for number, cell in enumerate(renamed))
    return replace(study, name=HOSTILE[1], origin=HOSTILE[2], cells=cells, problems=HOSTILE)


def _hostile(cell: CellData, text: str) -> CellData:
    note = {"context": text * 2, "analysis": text}
    trials = [replace(t, proposal=Proposal(t.config | {text: text}, t.proposal.source, note)) for t in cell.trials]
    failed = next((n for n, t in enumerate(trials) if not t.outcome.ok), None)
    if failed is not None:
        trials[failed] = replace(trials[failed], outcome=replace(trials[failed].outcome, error=text))
    message = ({"role": "user", "content": text},)
    call = Call(2, 1, problem=text, error=text, messages=message, reply=text, thinking=text, model=text, role=text)
    card = {"title": text, "domain": text, "data": text, "metric": text}
    manifest = {**cell.manifest, "settings": {"task": {"card": card}, "llm": {"name": text}}}
    # The cells of a task must agree on its two ends, and not on the sentence.
    ends = {"median": 60.0, "best": 80.0}
    manifest["reference"] = {"val": ends, "test": ends, "source": text}
    manifest["environment"] = {"git": {"commit": text}, "machine": {"processor": text}, "packages": {text: text}}
    state = cell.state if cell.seed == 0 else State.BLOCKED
    return replace(cell, trials=tuple(trials), calls=(call,), manifest=manifest, state=state, reason=text, fix=text)
