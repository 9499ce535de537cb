"""Two spaces of the paper's authors on other data: their image task on CIFAR-10, and their text task on SST-2's sentences.

Source of spaces, defaults and schedules: the authors' released code, commit 08a9a5b (2025-09-27), as described in facts. The networks are
those of `cifar10_cnn` and `sst2_encoder`. Neither task has been run in full here: one training is short in tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import nn
from torch.nn import functional

from harness import Config, Epoch, SettingsError, Space, TaskCard
from harness.tasks.common.metrics import MULTICLASS
from harness.tasks.common.training_loop import Objective, Plan, fit
from harness.tasks.full.cifar10_cnn import OnCifar10, PixelNetwork
from harness.tasks.full.sst2_encoder import EncoderNetwork, Sst2Encoder, transformers, warmup_and_decay

PATIENCE = 10
FALL = 10.0
WARMUP_STEPS = 500
# As `cifar10_cnn` by default: what the release does to its images is not among the facts.
AUGMENTATION: Config = {"crop_padding": 4, "flip": True}
# The names of the hyperparameters are those of the encoder's own settings.
ENCODER_SETTINGS = ("dropout", "attention_dropout", "seq_classif_dropout", "activation")


class Plateau:
    """A factor on the learning rate that is divided by 10 after 10 epochs without a lower validation loss."""

    def __init__(self) -> None:
        self._factor = 1.0
        self._least = float("inf")
        self._waited = 0

    def factor(self, _done: float) -> float:
        """Return the factor now; the share of training done does not matter."""
        return self._factor

    def see(self, val_loss: float) -> None:
        """Take in the validation loss of an epoch."""
        if val_loss < self._least:
            self._least, self._waited = val_loss, 0
            return
        self._waited += 1
        if self._waited == PATIENCE:
            self._factor, self._waited = self._factor / FALL, 0


class Cifar10CnnPublished(OnCifar10):
    """Classify colour images in the released space of the butterfly task: epochs are a hyperparameter, and SGD the update rule.

    `most_epochs` ends longer trainings early, for a try; None trains all that the configuration asks for. `sizes`: see OnCifar10.
    """

    def __init__(self, space: Space, card: TaskCard, *, most_epochs: int | None = None, **sizes: Any) -> None:
        super().__init__(space, card, **sizes)
        self._most_epochs = most_epochs

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plateau = Plateau()
        epochs = min(int(config["epochs"]), self._most_epochs or int(config["epochs"]))
        plan = Plan(epochs, int(config["batch_size"]), plateau.factor)
        objective = Objective(functional.cross_entropy, MULTICLASS)
        for epoch in fit(lambda: self._network(config), self._rows, objective, plan, {**config, "optimizer": "sgd"}, seed):
            plateau.see(epoch.val_loss if epoch.val_loss is not None else float("inf"))
            yield epoch

    def _network(self, config: Config) -> nn.Module:
        return PixelNetwork({**config, **AUGMENTATION}, self._shape, self._device)


class Sst2EncoderPublished(Sst2Encoder):
    """Classify sentences with DistilBERT in its released space: three dropouts, the activation, and epochs as a hyperparameter.

    Raises SettingsError for an encoder that has no such settings.
    """

    def __init__(  # noqa: PLR0913 - the sizes of one experiment
        self,
        space: Space,
        card: TaskCard,
        *,
        weights: str,
        device: str = "auto",
        most_epochs: int | None = None,
        train_size: int = 6_920,
        max_tokens: int = 128,
    ) -> None:
        super().__init__(space, card, weights=weights, device=device, train_size=train_size, max_tokens=max_tokens)
        self._most_epochs = most_epochs
        known = transformers().AutoConfig.from_pretrained(weights, local_files_only=True)
        if missing := [name for name in ENCODER_SETTINGS if not hasattr(known, name)]:
            raise SettingsError(f"sst2_encoder_published needs a DistilBERT: {weights} has no setting '{missing[0]}'")

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        epochs = min(int(config["epochs"]), self._most_epochs or int(config["epochs"]))
        batch = int(config["batch_size"])
        steps = epochs * -(-self.parts.train // batch)
        plan = Plan(epochs, batch, partial(warmup_and_decay, warmup=WARMUP_STEPS / steps))
        objective = Objective(functional.cross_entropy, MULTICLASS)
        return fit(lambda: self._network(config), self._rows, objective, plan, {**config, "optimizer": "adamw"}, seed)

    def _network(self, config: Config) -> nn.Module:
        settings = {name: config[name] for name in ENCODER_SETTINGS}
        return EncoderNetwork(self._weights, self._padding, self._device, settings=settings)
