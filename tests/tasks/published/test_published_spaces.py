"""The published spaces on other data: one tiny training of each. Neither is run in full here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from harness.errors import SettingsError
from harness.space import Config
from harness.tasks.full.cifar10_cnn import residual_network
from harness.tasks.full.published_spaces import PATIENCE, Plateau
from harness.testing.contracts.task import spec_of
from harness.training.build import build_task
from harness.training.trainer import InProcess

HERE = importlib.util.find_spec("transformers") is not None
needs_transformers = pytest.mark.skipif(not HERE, reason="transformers is not installed: pip install -e '.[encoder]'")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "the", "of", "and", "is", "film", "good", "bad", "funny", "dull"]
SMALL = (("device", "cpu"), ("most_epochs", 2), ("width", 2), ("train_size", 64), ("val_size", 20), ("test_size", 20))


@pytest.mark.usefixtures("mirror")
def test_a_tiny_training_in_the_image_space() -> None:
    task = build_task(spec_of("cifar10_cnn_published", SMALL))
    config: Config = {**task.space.default(), "dropout_rate": 0.3, "global_pool": "max", "momentum": 1.0, "learning_rate": 1e-3}
    first = InProcess(task).train(config, seed=0)
    assert first.error is None
    assert len(first.curve) == 2
    assert InProcess(task).train(config, seed=0).curve == first.curve
    assert InProcess(task).train({**config, "global_pool": "avg"}, seed=0).curve != first.curve


def test_pooling_and_dropout_stand_before_the_output() -> None:
    kinds = [type(module).__name__ for module in residual_network(4, 2, pool="max", dropout=0.2)][-4:]  # type: ignore[attr-defined]
    assert kinds == ["AdaptiveMaxPool2d", "Flatten", "Dropout", "Linear"]
    plain = [type(module).__name__ for module in residual_network(4, 2)][-3:]  # type: ignore[attr-defined]
    assert plain == ["AdaptiveAvgPool2d", "Flatten", "Linear"]


def test_the_rate_falls_to_a_tenth_after_ten_epochs_without_a_lower_loss() -> None:
    plateau = Plateau()
    plateau.see(1.0)
    factors = []
    for loss in [1.0] * PATIENCE + [0.5] + [0.6] * PATIENCE:
        plateau.see(loss)
        factors.append(plateau.factor(0.5))
    assert factors[PATIENCE - 2] == 1.0
    assert factors[PATIENCE - 1] == 0.1
    assert factors[-2] == 0.1
    assert factors[-1] == pytest.approx(0.01)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a tiny DistilBERT that knows a few words and nothing about them."""
    from transformers import BertTokenizerFast, DistilBertConfig, DistilBertForSequenceClassification

    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = DistilBertConfig(vocab_size=len(WORDS), dim=16, n_layers=1, n_heads=2, hidden_dim=16, max_position_embeddings=64)
        DistilBertForSequenceClassification(size).save_pretrained(folder)
    return str(folder)


@needs_transformers
@pytest.mark.usefixtures("mirror")
def test_a_tiny_training_in_the_text_space(encoder: str) -> None:
    smaller = (("weights", encoder), ("device", "cpu"), ("most_epochs", 1), ("train_size", 60), ("max_tokens", 8))
    task = build_task(spec_of("sst2_encoder_published", smaller))
    config: Config = {**task.space.default(), "learning_rate": 1e-2}
    first = InProcess(task).train(config, seed=0)
    assert first.error is None
    assert len(first.curve) == 1
    curves = [
        InProcess(task).train({**config, **other}, seed=0).curve for other in ({"activation": "relu"}, {"attention_dropout": 0.5})
    ]
    assert first.curve not in curves
    assert InProcess(task).train(config, seed=0).curve == first.curve


@needs_transformers
@pytest.mark.usefixtures("mirror")
def test_an_encoder_without_these_settings_is_refused(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForSequenceClassification(BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **size)).save_pretrained(tmp_path)
    with pytest.raises(SettingsError, match="needs a DistilBERT"):
        build_task(spec_of("sst2_encoder_published", (("weights", str(tmp_path)), ("train_size", 20), ("max_tokens", 8))))


@pytest.mark.parametrize("name", ["cifar10_cnn_published", "sst2_encoder_published"])
def test_their_cards_say_that_the_data_are_others(name: str) -> None:
    assert "the published space on other data" in spec_of(name).card.data
