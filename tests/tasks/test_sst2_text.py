"""Sentences of the Stanford Sentiment Treebank and the convolutional network on them."""

from __future__ import annotations

import pytest
import torch

from harness.space import Config
from harness.tasks.full.sst2_text import PADDING, UNKNOWN, SentenceNetwork, numbered, parse, sentences, vocabulary
from harness.testing.contracts.task import TaskContract, task_of
from harness.training.trainer import InProcess

pytestmark = pytest.mark.usefixtures("mirror")
CONFIG: Config = {
    "embedding_size": 4, "num_filters": 3, "filter_width": 3, "pooling": "max", "activation": "relu", "embedding_dropout": 0.0,
    "dropout": 0.0,
}  # fmt: skip

RECKLESS: Config = {
    "optimizer": "sgd", "learning_rate": 1.0, "momentum": 0.99, "batch_size": 16, "embedding_size": 64, "num_filters": 64
}  # fmt: skip


class TestSst2Text(TaskContract):
    name = "sst2_text"
    window = (48.0, 70.0)
    diverges = RECKLESS
    smaller = (("epochs", 2), ("train_size", 400))
    random_configs = 3


def test_the_default_does_as_well_as_a_bag_of_words_on_the_same_split() -> None:
    # Socher et al. 2013, table 1, two classes, whole sentences: naive Bayes 81.8 %, linear SVM 79.4 %. Kim (2014) reaches 82.7 % without
    # pre-trained embeddings, but also trains on all phrases of the treebank.
    task = task_of("sst2_text")
    outcome = InProcess(task).train(task.space.default(), seed=0)
    assert outcome.test_score_pct is not None
    assert 77.0 <= outcome.test_score_pct <= 83.0


def test_the_split_is_the_published_one() -> None:
    rows, words = sentences(6920)
    assert (rows.parts.train, rows.parts.val, rows.parts.test) == (6920, 872, 1821)
    assert [int(rows.targets[part].sum()) for part in rows.parts.slices()] == [3610, 444, 909]
    assert words - 2 == int(rows.inputs[0].max()) - 1
    assert not (rows.inputs[0][:6920] == UNKNOWN).any()
    assert (rows.inputs[0][6920:] == UNKNOWN).any()


def test_words_are_numbered_by_frequency_and_then_by_the_alphabet() -> None:
    known = vocabulary(iter(["b a", "b c"]))
    assert known == {"b": 2, "a": 3, "c": 4}
    assert numbered(["a x b", "c"], known).tolist() == [[3, UNKNOWN, 2], [4, PADDING, PADDING]]


def test_a_tab_inside_a_sentence_does_not_end_it() -> None:
    assert parse(b"so\tgood\t1\nso bad\t0\n") == [("so\tgood", 1), ("so bad", 0)]


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_a_padded_batch_gives_every_text_the_logits_of_its_longest(pooling: str) -> None:
    torch.manual_seed(0)
    model = SentenceNetwork({**CONFIG, "pooling": pooling}, words=9).eval()
    both = torch.tensor([[2, 3, 4, 0, 0], [5, 6, 7, 8, 2]])
    wider = torch.cat([both, torch.zeros(2, 4, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(model(both), model(wider))


def test_the_order_of_words_counts_for_wide_filters_only() -> None:
    torch.manual_seed(0)
    texts = torch.tensor([[2, 3, 4], [4, 2, 3]])
    for width, same in ((1, True), (3, False)):
        model = SentenceNetwork({**CONFIG, "filter_width": width}, words=9).eval()
        first, second = model(texts)
        assert torch.allclose(first, second) == same
