"""Search spaces: a single hyperparameter (`hyperparameter.py`), and all hyperparameters of a task with conditions (`space.py`)."""

from harness.space.hyperparameter import Choice, Config, Hyperparameter, Number, Value
from harness.space.space import Space

__all__ = ["Choice", "Config", "Hyperparameter", "Number", "Space", "Value"]
