"""Text: a convolutional network, trained from scratch, classifies sentences of film reviews as positive or negative."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.metrics import MULTICLASS, Parts
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit

CLASS_COUNT = 2
PADDING, UNKNOWN = 0, 1
# Kim (2014) draws embeddings of words that have no pre-trained one uniformly from [-INIT_RANGE, INIT_RANGE].
INIT_RANGE = 0.25
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": functional.relu, "tanh": torch.tanh}


class Sst2Text(datasets.OnPublicData):
    """Classify whole sentences. All words that are not in the training part share one number.

    Training uses the first `train_size` lines of its file.
    """

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 8, train_size: int = 6_920) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._rows, self._words = sentences(train_size)
        self.parts = self._rows.parts

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets."""
        return ("sst2",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]))
        return fit(
            lambda: SentenceNetwork(config, self._words),
            self._rows,
            Objective(functional.cross_entropy, MULTICLASS),
            plan,
            config,
            seed,
        )


class SentenceNetwork(nn.Module):
    """One convolution over word embeddings, pooled over the sentence (Kim 2014, in the form of Zhang and Wallace 2017)."""

    def __init__(self, config: Config, words: int) -> None:
        super().__init__()
        size, filters, width = int(config["embedding_size"]), int(config["num_filters"]), int(config["filter_width"])
        self._pooling = str(config["pooling"])
        self._activation = ACTIVATIONS[str(config["activation"])]
        self._embedding = nn.Embedding(words, size, padding_idx=PADDING)
        nn.init.uniform_(self._embedding.weight, -INIT_RANGE, INIT_RANGE)
        nn.init.zeros_(self._embedding.weight[PADDING])
        self._word_dropout = nn.Dropout(float(config["embedding_dropout"]))
        self._filters = nn.Conv1d(size, filters, width, padding=width // 2)
        self._output = nn.Sequential(nn.Dropout(float(config["dropout"])), nn.Linear(filters, CLASS_COUNT))

    def forward(self, sentences: Tensor) -> Tensor:
        """Map word numbers, shape (n, words), padded with 0, to logits, shape (n, 2)."""
        longest = int((sentences != PADDING).sum(dim=1).max())
        words = self._word_dropout(self._embedding(sentences[:, :longest]))
        found = self._activation(self._filters(words.transpose(1, 2)))
        pooled = found.amax(dim=2) if self._pooling == "max" else found.mean(dim=2)
        logits: Tensor = self._output(pooled)
        return logits


@cache
def sentences(train_size: int) -> tuple[Rows, int]:
    """Return the published split as word numbers, and the number of words. Raises DataError.

    The parts have up to 6,920 sentences for training, 872 for validation and 1,821 for test.
    """
    train, val, test = (parse(body) for body in datasets.read("sst2", "train.tsv", "dev.tsv", "test.tsv"))
    parts = [train[:train_size], val, test]
    known = vocabulary(text for text, _ in parts[0])
    everything = [pair for part in parts for pair in part]
    rows = torch.tensor(numbered([text for text, _ in everything], known))
    labels = torch.tensor([label for _, label in everything])
    return Rows((rows,), labels, Parts(*map(len, parts))), len(known) + 2


def parse(body: bytes) -> list[tuple[str, int]]:
    """Read lines of the form: sentence, tab, label. The label is 0 (negative) or 1 (positive)."""
    pairs = (line.rsplit("\t", 1) for line in body.decode("utf-8").splitlines())
    return [(text, int(label)) for text, label in pairs]


def vocabulary(texts: Iterator[str]) -> dict[str, int]:
    """Number the words that occur, from 2 on: the most frequent first, ties in alphabetical order."""
    counts = Counter(word for text in texts for word in text.split())
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return {word: number for number, word in enumerate(ranked, start=2)}


def numbered(texts: Sequence[str], known: Mapping[str, int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the word numbers of the texts, shape (texts, longest), padded at the end with 0."""
    split = [text.split() for text in texts]
    table = np.full((len(texts), max(map(len, split))), PADDING, dtype=np.int64)
    for row, words in zip(table, split, strict=True):
        row[: len(words)] = [known.get(word, UNKNOWN) for word in words]
    return table
