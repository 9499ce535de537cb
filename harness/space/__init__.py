"""Search spaces: one hyperparameter (`hyperparameter.py`), and all of a task's with their conditions (`space.py`)."""

from harness.space.hyperparameter import Choice, Config, Hyperparameter, Number, Value
from harness.space.space import Space

__all__ = ["Choice", "Config", "Hyperparameter", "Number", "Space", "Value"]
