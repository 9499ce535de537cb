"""The data of a task in three parts, the check that an adapter can score them, and what an adapter needs of an estimator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from harness.errors import SettingsError
from harness.tasks_from.metrics import Metric


class Estimator(Protocol):
    """What every scikit-learn estimator has. Methods that only some have, such as `predict_proba`, are looked up by name.

    The arguments are `Any`, because an estimator may accept only some types of features, and the caller chooses the data.
    """

    def fit(self, features: Any, targets: Any, /) -> object:
        """Train on features, shape (n, features), and targets, shape (n,)."""
        ...

    def predict(self, features: Any, /) -> object:
        """Return the predicted targets, shape (n,)."""
        ...


@dataclass(frozen=True)
class Part:
    """Features, shape (n, features), and targets, shape (n,), in any form that the estimator accepts: arrays, data frames, lists."""

    features: Any
    targets: Any


@dataclass(frozen=True)
class Split:
    """The data of a task. Tuning methods see only scores on `val`; scores on `test` are only reported."""

    train: Part
    val: Part
    test: Part


def split(features: object, targets: object, *, val_share: float = 0.2, test_share: float = 0.2, stratify: bool = False) -> Split:
    """Split rows at random into training, validation and test, always in the same way.

    `val_share` and `test_share` are shares of all rows, in (0, 1). With `stratify`, each part has the same shares of the classes.
    """
    from sklearn.model_selection import train_test_split  # noqa: PLC0415 - takes a second, which not every task needs

    def cut(x: object, y: object, share: float) -> tuple[object, object, object, object]:
        x_kept, x_cut, y_kept, y_cut = train_test_split(x, y, test_size=share, random_state=0, stratify=y if stratify else None)
        return x_kept, x_cut, y_kept, y_cut

    held_out = val_share + test_share
    x, x_rest, y, y_rest = cut(features, targets, held_out)
    x_val, x_test, y_val, y_test = cut(x_rest, y_rest, test_share / held_out)
    return Split(Part(x, y), Part(x_val, y_val), Part(x_test, y_test))


def checked(data: Split, metric: Metric) -> Split:
    """Return the data with targets of shape (n,); targets of shape (n, 1) are flattened.

    Raises SettingsError when a row has several targets, and when the classes of the parts do not allow the metric.
    """
    parts = {name: _one_target(getattr(data, name), name) for name in ("train", "val", "test")}
    if metric.name in ("auc", "f1", "log_loss"):
        _check_classes({name: _classes_of(part) for name, part in parts.items()}, metric)
    return Split(**parts)


def _one_target(part: Part, name: str) -> Part:
    import numpy as np  # noqa: PLC0415

    try:
        shape = np.shape(part.targets)
    except ValueError:  # a list of lists of different lengths
        shape = ()
    if len(shape) == 2 and shape[1] == 1:
        return replace(part, targets=np.asarray(part.targets).ravel())
    if len(shape) != 1 or isinstance(next(iter(part.targets), None), list | tuple | set | frozenset | np.ndarray):
        raise SettingsError(f"the targets of {name} are several a row (multi-label or multi-output): tasks_from takes one a row")
    return part


def _classes_of(part: Part) -> set[object]:
    """Return the classes among the targets of a part, as Python's own values."""
    import numpy as np  # noqa: PLC0415

    return set(np.asarray(part.targets).tolist())


def _check_classes(classes: Mapping[str, set[object]], metric: Metric) -> None:
    everywhere = set[object]().union(*classes.values())
    for name, here in classes.items():
        if metric.name == "log_loss":
            if unseen := here - classes["train"]:
                text = f"log_loss is infinite for a class that train lacks, and {name} has {_listed(unseen)}; try stratify=True"
                raise SettingsError(text)
        elif len(here) != 2 or len(everywhere) != 2:
            text = f"{metric.name} needs the same two classes in every part; {name} has {len(here)} of {len(everywhere)}"
            raise SettingsError(f"{text}; try {'f1_macro' if metric.name == 'f1' else 'accuracy'}")
    if metric.name == "f1":
        _check_positive(everywhere, metric.positive)


def _check_positive(classes: set[object], positive: object) -> None:
    if (1 if positive is None else positive) not in classes:
        said = "give the one that f1 counts" if positive is None else f"positive={positive!r} is none of them; give one"
        example = max(map(repr, classes))
        raise SettingsError(f"f1: the classes are {_listed(classes)}: {said}, as in positive={example}, or metric='f1_macro'")


def _listed(classes: set[object]) -> str:
    return ", ".join(sorted(map(repr, classes)))
