"""The data of a task, in three parts, and the check that an adapter can measure them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.errors import SettingsError


@dataclass(frozen=True)
class Part:
    """Rows of features, shape (n, features), and their targets, shape (n,): whatever the estimator takes."""

    features: Any
    targets: Any


@dataclass(frozen=True)
class Split:
    """The data of a task. A method sees the score of `val`; the score of `test` is only reported."""

    train: Part
    val: Part
    test: Part


def split(features: Any, targets: Any, *, val_share: float = 0.2, test_share: float = 0.2, stratify: bool = False) -> Split:
    """Deal rows out to training, validation and test, always in the same way; with `stratify`, each class in the same shares."""
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - a second, for those who need it

    def cut(x: Any, y: Any, share: float) -> Any:
        return train_test_split(x, y, test_size=share, random_state=0, stratify=y if stratify else None)

    held_out = val_share + test_share
    x, x_rest, y, y_rest = cut(features, targets, held_out)
    x_val, x_test, y_val, y_test = cut(x_rest, y_rest, test_share / held_out)
    return Split(Part(x, y), Part(x_val, y_val), Part(x_test, y_test))


def checked(data: Split, metric: str) -> Split:
    """Return the data with targets of shape (n,); one column, shape (n, 1), is flattened.

    Raises SettingsError where a row has several targets, and for auc where a part does not hold the same two classes as the others.
    """
    parts = {name: _one_target(getattr(data, name), name) for name in ("train", "val", "test")}
    if metric == "auc":
        _need_two_classes(parts)
    return Split(**parts)


def _one_target(part: Part, name: str) -> Part:
    import numpy as np  # noqa: PLC0415

    try:
        shape = np.shape(part.targets)
    except ValueError:  # lists of different lengths
        shape = ()
    if len(shape) == 2 and shape[1] == 1:
        return replace(part, targets=np.asarray(part.targets).ravel())
    if len(shape) != 1 or isinstance(next(iter(part.targets), None), list | tuple | set | frozenset | np.ndarray):
        raise SettingsError(f"the targets of {name} are several a row (multi-label or multi-output): tasks_from takes one a row")
    return part


def _need_two_classes(parts: dict[str, Part]) -> None:
    import numpy as np  # noqa: PLC0415

    everywhere = {label for part in parts.values() for label in np.asarray(part.targets).tolist()}
    for name, part in parts.items():
        here = len(set(np.asarray(part.targets).tolist()))
        if here != 2 or len(everywhere) != 2:
            raise SettingsError(
                f"auc needs the same two classes in every part; {name} has {here} of {len(everywhere)}; try accuracy"
            )
