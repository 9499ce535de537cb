"""Which files of a study a bundle takes, by their names. Whatever is not listed here is left out, and refused by an import."""

from __future__ import annotations

import re
import unicodedata

from harness.errors import SettingsError
from harness.pack.packing import NOT_TASKS
from harness.store.cell_folder import CALLS, FAILURE, MANIFEST, SUMMARY, TRIALS
from harness.store.plan import PLAN
from harness.store.race import RACE

CATALOGUE, PAGE = "bundle.json", "report/report.html"
# `blocked.jsonl` is not among them: it says what was missing on the machine that made the study.
OF_STUDY = (PLAN, RACE, PAGE)
OF_CELL = (MANIFEST, SUMMARY, FAILURE, TRIALS, CALLS)
_FAILED_TRIALS = re.compile(r"trials-failed-[1-9][0-9]{0,4}\.jsonl")
# What `config/settings.py` takes for the names of tasks and arms, and of sweeps' variants.
_NAME = re.compile(r"[\w+=\[\]-][\w.+=~ \[\]-]*")
_STUDY = re.compile(r"[\w+=\[\]-][\w.+=\[\]-]*")
_CELL = re.compile(r"seed[0-9]{1,10}-[0-9a-f]{8}")
_CODE = re.compile(
    r"\.(py[cdowz]?|pkl|pickle|joblib|pth?|np[yz]|so|dll|exe|sh|bat|ps1|ya?ml|js|html?|svg|ipynb|jar)(?=\.|$)", re.IGNORECASE
)
_LONGEST_STUDY = 80


def kind_of(name: str) -> str | None:
    """Return what a file of a study holds (a name of OF_STUDY or OF_CELL), None for one that a bundle does not take."""
    if name in OF_STUDY:
        return name
    folder, _, last = name.rpartition("/")
    if not is_cell(folder):
        return None
    return TRIALS if _FAILED_TRIALS.fullmatch(last) else last if last in OF_CELL else None


def is_cell(folder: str) -> bool:
    """Say whether a path below a study's folder is one of a cell: TASK/ARM/seed3-1f6c9a2e."""
    task, *rest = folder.split("/")
    if len(rest) != 2 or task in NOT_TASKS:
        return False
    return all(_NAME.fullmatch(part) for part in (task, rest[0])) and bool(_CELL.fullmatch(rest[1]))


def refusal(name: str) -> str | None:
    """Say why an import does not take a name of an entry, None for one that it takes."""
    parts = name.split("/")
    if not name.isprintable():
        return "its name holds control characters"
    if "\\" in name:
        return "its name holds a backslash"
    if name.startswith("/"):
        return "an absolute path"
    if re.match(r"[A-Za-z]:", name):
        return "a path on a drive"
    if ".." in parts:
        return "a path out of the study's folder"
    if "" in parts or "." in parts:
        return "not a plain path"
    if kind_of(name) is not None:
        return None
    if match := _CODE.search(parts[-1]):
        return f"{match[0]} may hold code, and only plan, records and page are taken"
    return "not a file of a study: only plan, records and page are taken"


def folded(name: str) -> str:
    """Return a name as a file system that ignores case, and forms of Unicode, compares it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def check_study_name(name: str, key: str) -> str:
    """Return the name of a study. Raises SettingsError, which names the option `key`, for one that cannot be a folder below ./runs/."""
    if not _STUDY.fullmatch(name) or len(name.encode()) > _LONGEST_STUDY:
        raise SettingsError(f"{key} {name!r}: use up to 80 letters, digits and any of . _ - + = [ ], not starting with a dot")
    return name


def sort_key(name: str) -> tuple[int, str, str]:
    """Order the files of a study: the plan first, then files of one kind together, which compresses best, and the page last."""
    folder, _, last = name.rpartition("/")
    return (0 if not folder else 2 if name == PAGE else 1, last, folder)
