"""The text task and its topic model."""

from __future__ import annotations

import numpy as np
import torch

from harness.space import Config
from harness.tasks.common.metrics import Parts
from harness.tasks.core.text import AveragingNetwork, Corpus, documents
from harness.testing.contracts.task import TaskContract

SMALL = Parts(train=80, val=40, test=40)


class TestText(TaskContract):
    name = "text"
    window = (52.0, 74.0)
    diverges = {"optimizer": "sgd", "learning_rate": 10.0, "momentum": 0.99, "batch_size": 8}  # noqa: RUF012


def test_documents_are_about_sixty_words_of_known_classes() -> None:
    rows = documents(SMALL)
    words, weights = rows.inputs
    assert words.shape == weights.shape
    assert int(words.max()) < Corpus.words
    # A weight is count / sqrt(length), so a document's weights add up to the square root of its length.
    lengths = weights.double().sum(dim=1) ** 2
    assert 57 < float(lengths.mean()) < 63
    assert torch.bincount(rows.targets).tolist() == [20] * Corpus.classes


def test_a_class_shows_in_its_words() -> None:
    words, weights = documents(SMALL).inputs
    counts = torch.zeros(160, Corpus.words).scatter_add(1, words, weights).numpy()
    labels = documents(SMALL).targets.numpy()
    cosine = (counts @ counts.T) / np.outer(np.linalg.norm(counts, axis=1), np.linalg.norm(counts, axis=1))
    same = (labels[:, None] == labels) & ~np.eye(160, dtype=bool)
    assert cosine[same].mean() > 1.5 * cosine[labels[:, None] != labels].mean()


def test_padding_says_nothing() -> None:
    config: Config = {"embedding_size": 4, "word_dropout": 0.0, "num_layers": 1}
    model = AveragingNetwork(config, Corpus())
    words, weights = torch.tensor([[3, 5]]), torch.tensor([[1.0, 2.0]])
    padded = model(torch.tensor([[3, 5, 7]]), torch.tensor([[1.0, 2.0, 0.0]]))
    torch.testing.assert_close(model(words, weights), padded)
