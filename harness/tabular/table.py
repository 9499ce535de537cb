"""The file of a table: an .npz file of columns with a JSON header. It is written once, and its SHA-256 is checked when it is read.

Curves are stored in double precision, so that a replayed curve equals the trained one to the last bit. NumPy is imported in functions,
because commands that use no table must not wait for it.

    status         (seeds, configs), uint8: index into STATUSES
    error          (seeds, configs), int16: index into the header's `errors`, -1 for none
    epochs         (seeds, configs), uint16: length of the curve
    wall_seconds   (seeds, configs), float32
    cpu_seconds    (seeds, configs), float32
    curve_MEASURE  (sum of epochs,), float64: the curves of all entries in one array, seed by seed
"""

from __future__ import annotations

import functools
import hashlib
import io
import platform
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.environment import environment
from harness.errors import RecordError, SettingsError, StorageError
from harness.space import Config, Space
from harness.store.files import whole_file
from harness.tabular.grid import Key, enumerate_configs, key_of
from harness.tabular.header import DAMAGE, MEMBER, Header, Subject, read_header
from harness.tabular.journal import Entry, Place
from harness.trial import MEASURES, Crash, Epoch, Outcome, Status

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    # An array of one of the types in the docstring.
    Array: TypeAlias = npt.NDArray[Any]

STATUSES = tuple(Status)
# A table holds the tracebacks of so many errors; each may be 8 kB.
CRASHES_KEPT = 20
# A fixed time for each member of the zip, so that equal contents give equal files.
EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)


@dataclass
class Table:
    """A table in memory.

    `numbers` maps the key of a configuration to its number. `starts` holds the index of the first epoch of each curve in the `curve_...`
    arrays; its shape is (seeds, configs).
    """

    path: Path
    header: Header
    space: Space
    numbers: Mapping[Key, int]
    arrays: Mapping[str, Array]
    starts: npt.NDArray[np.int64]
    _known: dict[Place, Outcome] = field(default_factory=dict)

    def number(self, config: Config) -> int:
        """Return the number of a configuration of the table's space. It must hold exact values in the order of the space."""
        return self.numbers[key_of(config)]

    def outcome(self, number: int, seed: int) -> Outcome:
        """Return the recorded outcome of configuration `number` with a training seed; its seconds are those of the table's clock.

        Raises SettingsError for a training seed that is not in the table.
        """
        place = (number, seed)
        if place not in self._known:
            self._known[place] = self._read(number, seed)
        return self._known[place]

    def _read(self, number: int, seed: int) -> Outcome:
        seeds = list(self.header.subject.train_seeds)
        if seed not in seeds:
            raise SettingsError(f"{self.path} holds the training seeds {', '.join(map(str, seeds))}, not {seed}")
        at = (seeds.index(seed), number)
        arrays = self.arrays
        curve = self._curve(int(self.starts[at]), int(arrays["epochs"][at]))
        seconds = round(float(arrays[f"{self.header.subject.clock}_seconds"][at]), 6)
        status = STATUSES[int(arrays["status"][at])]
        if status is Status.OK:
            return Outcome.of_curve(curve, seconds, self.header.subject.objective)
        error = self.header.errors[int(arrays["error"][at])]
        crash = self.header.crashes.get(error)
        return Outcome.failed(status, error, curve, seconds, Crash(*crash) if crash else None)

    def _curve(self, start: int, length: int) -> tuple[Epoch, ...]:
        columns = {name: self.arrays[f"curve_{name}"][start : start + length].tolist() for name in self.header.measures}
        rows = zip(*columns.values(), strict=True)
        return tuple(Epoch(**dict(zip(columns, row, strict=True)), number=number) for number, row in enumerate(rows, start=1))


def read_table(path: Path) -> Table:
    """Read a table and check its contents. A process reads a file only once. Raises RecordError."""
    try:
        return _read_table(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror or error})") from error


@functools.cache
def _read_table(path: Path, _changed_ns: int) -> Table:
    import numpy as np  # noqa: PLC0415

    header = read_header(path)
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                if name != MEMBER:
                    content = io.BytesIO(file.read(name))
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(content, allow_pickle=False)
    except DAMAGE as error:
        raise RecordError(f"{path}: damaged ({error}); make it anew, or fetch it again") from error
    if (found := digest(arrays)) != header.arrays_sha256:
        raise RecordError(f"{path}: damaged: its SHA-256 is {found[:16]}..., and should be {header.arrays_sha256[:16]}...")
    space = Space.from_mapping(header.subject.space)
    numbers = {key_of(config): number for number, config in enumerate(enumerate_configs(space))}
    ends = arrays["epochs"].astype(np.int64).cumsum().reshape(arrays["epochs"].shape)
    return Table(path, header, space, numbers, arrays, ends - arrays["epochs"])


def write_table(path: Path, subject: Subject, entries: Mapping[Place, Entry], signature: Mapping[str, str]) -> Header:
    """Write the table of these entries, completely or not at all. There must be one entry per configuration and training seed.

    Raises SettingsError when some epochs of a task lack a measure that others have, and StorageError.
    """
    configs = 1 + max(number for number, _ in entries)
    ordered = [entries[number, seed] for seed in subject.train_seeds for number in range(configs)]
    errors = tuple(sorted({entry.outcome.error for entry in ordered if entry.outcome.error is not None}))
    measures = measures_of(subject, ordered)
    arrays = columns_of(ordered, errors, measures, (len(subject.train_seeds), configs))
    best: dict[str, float | None] = {}
    for seed in subject.train_seeds:
        scores = [e.outcome.val_score_pct for e in ordered if e.seed == seed and e.outcome.val_score_pct is not None]
        best[str(seed)] = max(scores, key=lambda score: subject.objective.sign * score, default=None)
    crashes = crashes_of(ordered)
    header = Header(subject, configs, measures, errors, best, dict(signature), made_by(), digest(arrays), crashes=crashes)
    try:
        _write(path, header, arrays)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error
    return header


def crashes_of(entries: Sequence[Entry]) -> dict[str, tuple[str, str]]:
    """Return where the first training with each error raised, and its traceback; of some errors, where there are many."""
    found: dict[str, tuple[str, str]] = {}
    for entry in entries:
        error, crash = entry.outcome.error, entry.outcome.crash
        if error is not None and crash is not None and len(found) < CRASHES_KEPT:
            found.setdefault(error, (crash.place, crash.traceback))
    return found


def made_by() -> dict[str, object]:
    """Return versions, commit, processor and date, for readers of the table."""
    found = environment()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "packages": found["packages"],
        "git": found["git"],
        "processor": found["machine"]["processor"],
    }


def measures_of(subject: Subject, entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return the measures that all epochs of all entries have. Raises SettingsError when some epochs have a measure and others lack it."""
    kept = []
    for name in MEASURES:
        given = {getattr(epoch, name) is not None for entry in entries for epoch in entry.outcome.curve}
        if given == {True, False}:
            raise SettingsError(
                f"task '{subject.task}': some of its epochs have a {name} and some have not; a table needs all or none"
            )
        if True in given:
            kept.append(name)
    return tuple(kept)


def columns_of(
    entries: Sequence[Entry], errors: Sequence[str], measures: Sequence[str], shape: tuple[int, int]
) -> dict[str, Array]:
    """Return the arrays of a table, as the docstring of this module lists them. `entries` are sorted by seed, then by configuration."""
    import numpy as np  # noqa: PLC0415

    place = {error: index for index, error in enumerate(errors)} | {None: -1}
    columns: dict[str, tuple[Sequence[float], npt.DTypeLike]] = {
        "status": ([STATUSES.index(e.outcome.status) for e in entries], np.uint8),
        "error": ([place[e.outcome.error] for e in entries], np.int16),
        "epochs": ([len(e.outcome.curve) for e in entries], np.uint16),
        "wall_seconds": ([e.outcome.seconds for e in entries], np.float32),
        "cpu_seconds": ([e.cpu_seconds for e in entries], np.float32),
    }
    arrays = {name: np.array(values, dtype).reshape(shape) for name, (values, dtype) in columns.items()}
    for name in measures:
        values = [getattr(epoch, name) for entry in entries for epoch in entry.outcome.curve]
        arrays[f"curve_{name}"] = np.array(values, np.float64)
    return arrays


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of the name, type, shape and bytes (little-endian) of all arrays, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        little = array.astype(array.dtype.newbyteorder("<"))
        total.update(f"{name} {little.dtype.str} {little.shape};".encode())
        total.update(little.tobytes())
    return total.hexdigest()


def _write(path: Path, header: Header, arrays: Mapping[str, Array]) -> None:
    import numpy as np  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, sync=False) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr(zipfile.ZipInfo(MEMBER, EPOCH_OF_ZIP), header.to_json(), zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH_OF_ZIP), content.getvalue(), zipfile.ZIP_DEFLATED)
