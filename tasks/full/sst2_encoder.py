"""Text, optional: fine-tune a pre-trained encoder on the sentences of `sst2_text`. It needs the library `transformers` and weights.

`weights` is a folder, or a name on the Hugging Face hub whose files are already downloaded: this module downloads nothing.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.device import mixed_precision, pick_device
from harness.tasks.common.metrics import MULTICLASS, Parts
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit
from harness.tasks.full.encoder_weights import OnEncoder, require
from harness.tasks.full.sst2_text import CLASS_COUNT, parse

# Sentences that are predicted at once, so that a large data set does not fill the memory.
PREDICTION_BATCH = 128


class Sst2Encoder(OnEncoder):
    """Classify whole sentences with a pre-trained encoder and a new output layer (Devlin et al. 2019)."""

    def __init__(  # noqa: PLR0913 - the sizes of one experiment
        self,
        space: Space,
        card: TaskCard,
        *,
        weights: str,
        device: str = "auto",
        epochs: int = 3,
        train_size: int = 6_920,
        max_tokens: int = 64,
    ) -> None:
        require(weights)
        self.space = space
        self.card = card
        self._epochs = epochs
        self._weights = weights
        self._device = pick_device(device)
        self._rows, self._padding = tokens(weights, train_size, max_tokens)
        self.parts = self._rows.parts

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        schedule = partial(warmup_and_decay, warmup=float(config["warmup_share"]))
        plan = Plan(self._epochs, int(config["batch_size"]), schedule)
        objective = Objective(functional.cross_entropy, MULTICLASS)
        return fit(lambda: self._network(config), self._rows, objective, plan, {**config, "optimizer": "adamw"}, seed)

    def _network(self, config: Config) -> nn.Module:
        return EncoderNetwork(self._weights, self._padding, self._device, dropout=float(config["dropout"]))


class EncoderNetwork(nn.Module):
    """The encoder with a new output layer. It runs on `device`; the inputs (token numbers) and the outputs (logits) are on the CPU.

    `settings` are settings of the encoder's own that stand in the place of those that come with its weights. `dropout` is the share of
    every dropout layer; None leaves it to the settings.
    """

    def __init__(
        self,
        weights: str,
        padding: int,
        device: torch.device,
        *,
        dropout: float | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self._padding, self._device = padding, device
        self._encoder: nn.Module = (
            transformers()
            .AutoModelForSequenceClassification.from_pretrained(
                weights, num_labels=CLASS_COUNT, local_files_only=True, **(settings or {})
            )
            .to(device)
        )
        for module in self._encoder.modules():
            if isinstance(module, nn.Dropout) and dropout is not None:
                module.p = dropout

    def forward(self, sentences: Tensor) -> Tensor:
        """Map token numbers, shape (n, tokens), to logits, shape (n, 2)."""
        if self.training and self._device.type == "cuda":
            # Dropout draws from the GPU's generator. Seeding it from the CPU's generator makes it a function of the trial's seed.
            torch.cuda.manual_seed(int(torch.randint(2**31, ())))
        rows = len(sentences) if self.training else PREDICTION_BATCH
        return torch.cat([self._logits(part) for part in torch.split(sentences, rows)])

    def _logits(self, sentences: Tensor) -> Tensor:
        longest = int((sentences != self._padding).sum(dim=1).max())
        words = sentences[:, :longest].to(self._device)
        with mixed_precision(self._device):
            logits: Tensor = self._encoder(input_ids=words, attention_mask=(words != self._padding).long()).logits
        return logits.float().cpu()


def warmup_and_decay(done: float, warmup: float) -> float:
    """Return a factor that rises from 0 to 1 over the first share `warmup` of training, then falls to 0, linearly (Devlin et al. 2019)."""
    return done / warmup if done < warmup else (1.0 - done) / (1.0 - warmup)


@cache
def tokens(weights: str, train_size: int, max_tokens: int) -> tuple[Rows, int]:
    """Return the published split as token numbers, shape (sentences, tokens), and the number that pads them. Raises DataError."""
    parts = [parse(body) for body in datasets.read("sst2", "train.tsv", "dev.tsv", "test.tsv")]
    parts[0] = parts[0][:train_size]
    pairs = [pair for part in parts for pair in part]
    tokenizer = transformers().AutoTokenizer.from_pretrained(weights, local_files_only=True)
    encoded = tokenizer([text for text, _ in pairs], padding=True, truncation=True, max_length=max_tokens, return_tensors="pt")
    labels = torch.tensor([label for _, label in pairs])
    return Rows((encoded["input_ids"],), labels, Parts(*map(len, parts))), int(tokenizer.pad_token_id)


@cache
def transformers() -> Any:
    """Import the library without log output and without network access."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    library: Any = importlib.import_module("transformers")
    library.logging.set_verbosity_error()
    disable: Callable[[], None] = library.logging.disable_progress_bar
    disable()
    return library
