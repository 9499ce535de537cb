"""What the tasks on a pre-trained encoder need besides their data: the library `transformers`, and weights that are already downloaded.

It stands apart, without PyTorch, so that the doctor can ask it at once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import Readiness, SettingsError
from harness.tasks.common import datasets


class OnEncoder:
    """Base class of tasks on an encoder: the harness calls `ready` and `prepare` before it builds the task (see `harness.NeedsData`)."""

    @staticmethod
    def ready(params: Mapping[str, Any]) -> Readiness:
        """Say whether the data, the library and the weights are on this machine."""
        try:
            require(str(params["weights"]))
        except SettingsError as error:
            return Readiness("encoder", False, str(error), f"pip install transformers && hf download {params['weights']}")
        return datasets.ready("sst2")

    @staticmethod
    def prepare(params: Mapping[str, Any]) -> None:
        """Fetch the sentences. Raises DataError, and SettingsError when the library or the weights are missing."""
        require(str(params["weights"]))
        datasets.fetch("sst2")


def require(weights: str) -> None:
    """Raise SettingsError, which says what to install, when the library or the weights are missing."""
    if importlib.util.find_spec("transformers") is None:
        raise SettingsError("sst2_encoder needs the library transformers: pip install transformers")
    if Path(weights).is_dir():
        return
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - comes with transformers

    if not isinstance(try_to_load_from_cache(weights, "config.json"), str):
        raise SettingsError(
            f"sst2_encoder needs the weights of {weights}: hf download {weights}, or set task.params.weights=FOLDER"
        )
