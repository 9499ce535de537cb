"""What a cell is and what it leaves on the disk, pinned before the packages were given their places.

`pinned/identities.json` and `pinned/records.json` were made by the modules as they stood then, and are compared after one map of old names
to new ones. HARNESS_REMAKE_GOLDEN=1 writes them anew: only where a result changes on purpose, with its reason in the CHANGELOG.
"""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.cells import cells_of
from support.golden import REMAKE

from harness.run.study import run_cells
from harness.testing.servers.ollama_api import OllamaDouble

HERE = Path(__file__).parent / "pinned"
TASKS = ("digits", "friedman", "graph", "madelon", "ratings", "text", "cora_gcn", "water_potability", "movielens_fm", "toy")
ARMS = {
    "random": ("optimizer=random",),
    "tpe+default": ("optimizer=tpe", "start=default"),
    "skopt_gp": ("optimizer=skopt_gp", "budget=20"),
    "sobol limited": ("optimizer=sobol", "limits.trial_seconds=60", "limits.trial_memory_mb=2000"),
    "rules_anonymous": ("optimizer=rules_anonymous", "seed=7"),
    "rules_shuffled": ("optimizer=rules_shuffled",),
    "tcs_phi4": ("optimizer=tcs_phi4",),
    "raw_qwen": ("optimizer=raw_qwen", "agent.log_every=2"),
    "scores_gpt4": ("optimizer=scores", "llm=gpt4", "task.card=renamed"),
}
# What differs between two runs of a cell.
VARYING = {"propose_seconds", "train_seconds", "seconds", "crc32", "load_seconds", "eval_seconds", "prompt_seconds"}
RUNS = {
    "random": ("task=toy", "optimizer=random", "budget=4"),
    "tpe+default": ("task=toy", "optimizer=tpe", "start=default", "budget=5"),
    "rules": ("task=toy", "optimizer=rules", "budget=6"),
    "rules from a table": ("task=digits", "evaluator=table", "optimizer=rules", "start=default", "budget=8"),
    "random from a table": ("task=graph", "evaluator=table", "optimizer=random", "seed=4", "limits.trial_seconds=0.4"),
}
ASKED = {
    "tcs": ("optimizer=tcs", "llm=phi4", "budget=4"),
    "raw": ("optimizer=raw", "llm=qwen", "budget=3", "agent.calls=two", "agent.names=anonymous"),
}


def check(name: str, made: dict[str, Any], every: bool = True) -> None:
    """Compare with the pinned file; or write it, where `made` holds every entry."""
    path = HERE / name
    if os.environ.get(REMAKE) and every:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    pinned = json.loads(path.read_text())
    assert set(made) == set(pinned) if every else set(made) < set(pinned)
    for key, value in made.items():
        assert value == pinned[key], key


def without_varying(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_varying(inner) for key, inner in value.items() if key not in VARYING}
    return [without_varying(inner) for inner in value] if isinstance(value, list) else value


def identity_of(folder: Path, *overrides: str) -> dict[str, Any]:
    (cell,), _ = cells_of(folder, *overrides)
    return {"arm": cell.arm, "method_seed": cell.method_seed, "identity": json.loads(json.dumps(cell.identity))}


def crossed(every: bool) -> list[tuple[str, str]]:
    """Return the pairs of a task and an arm: every one, or those of a diagonal, in which each task and each arm stands at least once."""
    arms = list(ARMS)
    pairs = itertools.product(TASKS, arms) if every else ((task, arms[at % len(arms)]) for at, task in enumerate(TASKS))
    return [(task, arm) for task, arm in pairs if task != "toy" or "task.card=renamed" not in ARMS[arm]]


@pytest.mark.parametrize(
    "every", [pytest.param(False, id="a diagonal"), pytest.param(True, id="every task and arm", marks=pytest.mark.full)]
)
def test_identities_are_those_of_before(every: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA_MIRROR", raising=False)
    made = {f"{task} {arm}": identity_of(tmp_path, f"task={task}", *ARMS[arm]) for task, arm in crossed(every)}
    for value in made.values():
        del value["method_seed"]
    made |= {name: identity_of(tmp_path, *overrides) for name, overrides in RUNS.items()}
    check("identities.json", made, every)


def test_the_diagonal_has_each_task_and_each_arm() -> None:
    tasks, arms = (set(names) for names in zip(*crossed(every=False), strict=True))
    assert (tasks, arms) == (set(TASKS), set(ARMS))


def kept(tmp_path: Path, overrides: tuple[str, ...]) -> dict[str, Any]:
    """Run one cell and return what it left, file by file, without what varies; also without checksums and addresses."""
    (cell,), settings = cells_of(tmp_path, *overrides)
    assert run_cells([cell], settings).done == 1
    folder = tmp_path / "main" / cell.folder
    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.jsonl")):
        found[path.name] = [without_varying(json.loads(line)) for line in path.read_text().splitlines()]
    found["summary.json"] = without_varying(json.loads((folder / "summary.json").read_text()))
    return found


def test_records_are_those_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    made = {name: kept(tmp_path / name, overrides) for name, overrides in RUNS.items()}
    with OllamaDouble() as double:
        for name, overrides in ASKED.items():
            made[name] = kept(tmp_path / name, ("task=toy", f"llm.base_url={double.url}", *overrides))
    check("records.json", made)


def test_a_public_data_cell_is_that_of_before(tmp_path: Path) -> None:
    if not (Path(os.environ.get("HARNESS_DATA_MIRROR", "/nowhere")) / "water_potability").is_dir():
        pytest.skip("needs the public data: set HARNESS_DATA_MIRROR to a folder that holds them")
    (cell,), settings = cells_of(tmp_path, "task=water_potability", "budget=2")
    assert run_cells([cell], settings).done == 1
    rows = [json.loads(line) for line in (tmp_path / "main" / cell.folder / "trials.jsonl").read_text().splitlines()]
    # Another processor rounds otherwise: four digits of a percentage are a training's own.
    shown = [{"config": row["config"], "val": round(row["val_score_pct"], 2), "status": row["status"]} for row in rows]
    check("public.json", {"identity": json.loads(json.dumps(cell.identity)), "trials": shown})
