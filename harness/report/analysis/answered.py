"""Which models answered the calls of an arm. The servers say it, and every trial of an LLM's arm records it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.report.study_data import CellData, mapping

# A test double says so in the version that it serves.
DOUBLE = "double"
SERVERS = ("server", "server_version", "fingerprint", "owned_by")
DIGEST_SHOWN = 12
_SIZE = re.compile(r"([\d.]+)\s*([MBT])", re.IGNORECASE)
_BILLIONS = {"M": 1e-3, "B": 1.0, "T": 1e3}


@dataclass(frozen=True)
class Answered:
    """The models that answered an arm.

    `others` were not the model asked for, each as `NAME (digest)`. `double`: a test double answered. `backends`: those that were called.
    `billions`: parameters of the largest model that answered, NaN where no server said.
    """

    others: tuple[str, ...] = ()
    double: bool = False
    backends: tuple[str, ...] = ()
    billions: float = math.nan


def answered(cells: Iterable[CellData], asked: str) -> Answered:
    """Return the models that answered in these cells, whose settings asked for the model `asked`."""
    facts = list(_facts(cells))
    others = [_named(fact) for fact in facts if fact.get("model") and asked and not same_model(asked, str(fact["model"]))]
    sizes = [size for fact in facts if not math.isnan(size := billions(fact.get("parameters")))]
    return Answered(
        tuple(dict.fromkeys(others)),
        any(DOUBLE in str(fact.get(key, "")).casefold() for fact in facts for key in SERVERS),
        tuple(dict.fromkeys(str(fact["backend"]) for fact in facts if fact.get("backend"))),
        max(sizes, default=math.nan),
    )


def _facts(cells: Iterable[CellData]) -> Iterator[Mapping[str, Any]]:
    for cell in cells:
        for trial in cell.trials:
            if facts := mapping(trial.proposal.note.get("model")):
                yield facts


def _named(facts: Mapping[str, Any]) -> str:
    digest = str(facts.get("digest") or "").removeprefix("sha256:")[:DIGEST_SHOWN]
    return f"{facts['model']} ({digest})" if digest else str(facts["model"])


def same_model(asked: str, name: str) -> bool:
    """Say whether two names mean one model. Servers ignore case, and may add `:latest` or leave it out."""
    return _plain(asked) == _plain(name)


def _plain(name: str) -> str:
    return name.casefold().removesuffix(":latest")


def billions(size: Any) -> float:
    """Return a size such as `14.7B` or `494.03M` in billions of parameters; NaN for any other text."""
    found = _SIZE.fullmatch(str(size).strip())
    try:
        return float(found[1]) * _BILLIONS[found[2].upper()] if found else math.nan
    except ValueError:
        return math.nan
