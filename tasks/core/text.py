"""Text: a deep averaging network that tells classes of documents apart; the documents are drawn from a topic model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common.metrics import CLASSES, Array, Parts
from harness.tasks.common.training_loop import Goal, Plan, Rows, fit

DATA_SEED = 20040406
SLOPE = 0.1


@dataclass(frozen=True)
class Corpus:
    """What the topic model is drawn with: `kinds` topic mixtures a class, and the concentrations of the Dirichlet priors."""

    words: int = 2000
    topics: int = 30
    classes: int = 8
    mean_length: int = 60
    word_prior: float = 0.02
    class_prior: float = 0.1
    kinds: int = 3
    document_prior: float = 10.0
    topic_prior: float = 1 / 30


class Text:
    """Classify short documents by their words, regardless of order."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 10, train_size: int = 800, val_size: int = 1000) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._rows = documents(Parts(train_size, val_size, test=2000))
        self.parts = self._rows.parts

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]))
        return fit(
            lambda: AveragingNetwork(config, Corpus()), self._rows, Goal(functional.cross_entropy, CLASSES), plan, config, seed
        )


class AveragingNetwork(nn.Module):
    """Average the embeddings of a document's words, then classify the average (Iyyer et al. 2015)."""

    def __init__(self, config: Config, corpus: Corpus) -> None:
        super().__init__()
        width = int(config["embedding_size"])
        self._word_dropout = float(config["word_dropout"])
        self._embedding = nn.EmbeddingBag(corpus.words, width, mode="sum")
        hidden = [layer for _ in range(int(config["num_layers"])) for layer in (nn.Linear(width, width), nn.LeakyReLU(SLOPE))]
        self._layers = nn.Sequential(*hidden, nn.Linear(width, corpus.classes))

    def forward(self, words: Tensor, weights: Tensor) -> Tensor:
        """Take the distinct words of each document and their weights, both of shape (n, distinct), to logits, shape (n, classes)."""
        # Dropping a word drops its embedding as a whole; what is kept is scaled up, so that the average stays in place.
        kept = functional.dropout(weights, self._word_dropout, self.training)
        logits: Tensor = self._layers(self._embedding(words, per_sample_weights=kept))
        return logits


@cache
def documents(parts: Parts) -> Rows:
    """Draw the corpus from latent Dirichlet allocation in which each class has its own mixture of topics; always the same.

    Topics are drawn from a symmetric Dirichlet prior over the words (Blei et al. 2003, Griffiths and Steyvers 2004). A class has several
    mixtures of topics, so that no topic alone, and no sum over topics, gives the class away; a document's own mixture is drawn from a
    Dirichlet prior around one of them.
    """
    corpus, rows = Corpus(), parts.train + parts.val + parts.test
    # RandomState's stream is frozen for good (NEP 19), unlike that of NumPy's newer generators.
    rng = np.random.RandomState(DATA_SEED)
    topics = rng.dirichlet([corpus.word_prior] * corpus.words, corpus.topics)
    mixtures = rng.dirichlet([corpus.class_prior] * corpus.topics, (corpus.classes, corpus.kinds))
    labels = np.arange(rows) % corpus.classes
    kinds = rng.randint(corpus.kinds, size=rows)
    lengths = 1 + rng.poisson(corpus.mean_length - 1, rows)
    drawn = zip(labels, kinds, lengths, strict=True)
    counts = np.stack([_count_words(rng, mixtures[label, kind], topics, length) for label, kind, length in drawn])
    words, weights = _distinct(counts)
    return Rows((torch.tensor(words), torch.tensor(weights, dtype=torch.float32)), torch.tensor(labels), parts)


def _count_words(rng: np.random.RandomState, mixture: Array, topics: Array, length: int) -> Array:
    """Draw a document's topic mixture, then its words; return how often each word occurs, shape (words,)."""
    mixed = rng.dirichlet(Corpus.document_prior * mixture + Corpus.topic_prior)
    return rng.multinomial(length, mixed @ topics)


def _distinct(counts: Array) -> tuple[Array, Array]:
    """Turn counts, shape (documents, words), into each document's distinct words and their weights, padded with weight 0.

    A word's weight is its count over the square root of the length: an average, scaled so that its variance is that of one embedding.
    """
    width = int((counts > 0).sum(axis=1).max())
    words = np.argsort(-counts, axis=1, kind="stable")[:, :width]
    return words, np.take_along_axis(counts, words, axis=1) / np.sqrt(counts.sum(axis=1, keepdims=True))
