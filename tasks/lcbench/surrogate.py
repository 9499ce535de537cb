"""YAHPO Gym's surrogate of LCBench (Pfisterer et al. 2022): a network that was fitted to the recorded trainings of Zimmer et al. 2021.

It maps a data set, an epoch and a configuration to scores and seconds. onnxruntime evaluates it, on one thread.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from harness import SettingsError
from harness.tasks.common import datasets

DATA_SET = "yahpo_lcbench"
EPOCHS = 52
# What the network takes, in its own order, after the epoch; and what it gives.
INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
OUTPUTS = ("time", "val_accuracy", "val_cross_entropy", "val_balanced_accuracy", "test_cross_entropy", "test_balanced_accuracy")
LIBRARY = "onnxruntime"
COMMAND = "pip install -e '.[foreign]'"
Floats: TypeAlias = npt.NDArray[np.float32]


def require() -> None:
    """Raise SettingsError where the library that evaluates the network is not installed."""
    if importlib.util.find_spec(LIBRARY) is None:
        raise SettingsError(f"LCBench needs the library {LIBRARY}: {COMMAND}")


class Surrogate:
    """The network. `numbers` maps the 34 tasks of OpenML to the numbers by which the network knows them."""

    def __init__(self, session: Any, numbers: Mapping[int, int]) -> None:
        self._session = session
        self.numbers = dict(numbers)

    def curves(self, openml_task: int, configs: Sequence[Mapping[str, Any]]) -> Floats:
        """Return the 52 epochs of each configuration, shape (configs, 52, 6), in the order of OUTPUTS. Raises SettingsError.

        Accuracy is a percentage, balanced accuracies are shares, time is in seconds since the start of the training. A batch of other
        size rounds otherwise, in single precision: by 1e-5 of a score, and 1e-3 of the time.
        """
        wanted = np.empty((len(configs), EPOCHS, 1 + len(INPUTS)), np.float32)
        wanted[:, :, 0] = np.arange(1, EPOCHS + 1)
        wanted[:, :, 1:] = np.array([[config[name] for name in INPUTS] for config in configs], np.float32)[:, None, :]
        rows = len(configs) * EPOCHS
        task = np.full((rows, 1), self.number(openml_task), np.int32)
        found: Floats = self._session.run(None, {"x_cat": task, "x_cont": wanted.reshape(rows, -1)})[0]
        return found.reshape(len(configs), EPOCHS, len(OUTPUTS))

    def number(self, openml_task: int) -> int:
        """Return the network's own number of a task. Raises SettingsError for one that LCBench does not have."""
        if openml_task not in self.numbers:
            known = ", ".join(map(str, sorted(self.numbers)))
            raise SettingsError(f"task.params.openml_task={openml_task}: LCBench has no such task of OpenML; it has {known}")
        return self.numbers[openml_task]


@functools.cache
def surrogate() -> Surrogate:
    """Return the network, read from the verified file once per process. Raises DataError, and SettingsError without onnxruntime."""
    require()
    import onnxruntime  # noqa: PLC0415 - an extra

    model, encoding, config_space = datasets.read(DATA_SET, "model.onnx", "encoding.json", "config_space.json")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # The encoding knows one more task, of which the network is no surrogate: the space lists those that count.
    numbers = json.loads(encoding)["OpenML_task_id"]
    (choices,) = (hp["choices"] for hp in json.loads(config_space)["hyperparameters"] if hp["name"] == "OpenML_task_id")
    return Surrogate(session, {int(choice): numbers[choice] for choice in choices})
