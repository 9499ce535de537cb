"""Fine-tuning an encoder: a real, tiny one with random weights, where `transformers` is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from harness.errors import SettingsError
from harness.space import Config
from harness.task import Task
from harness.tasks.full.encoder_weights import require
from harness.tasks.full.sst2_encoder import Sst2Encoder, warmup_and_decay
from harness.testing.contracts.task import spec_of
from harness.training.build import build_task
from harness.training.trainer import InProcess
from harness.trial import Outcome

HERE = importlib.util.find_spec("transformers") is not None
needs_transformers = pytest.mark.skipif(not HERE, reason="transformers is not installed: pip install -e '.[encoder]'")
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "the",
    "of",
    "and",
    "is",
    "film",
    "movie",
    "it",
    "good",
    "bad",
    "funny",
    "dull",
    "best",
    "worst",
    "not",
    ",",
    ".",
    "'",
    "s",
    "n",
    "t",
]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a tiny BERT that knows a few words and nothing about them."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **size)).save_pretrained(folder)
    return str(folder)


def task_with(encoder: str) -> Task:
    smaller = (("weights", encoder), ("device", "cpu"), ("epochs", 2), ("train_size", 200), ("max_tokens", 16))
    return build_task(spec_of("sst2_encoder", smaller))


def outcome(encoder: str, seed: int, **values: float) -> Outcome:
    task = task_with(encoder)
    config: Config = {**task.space.default(), **values}
    return InProcess(task).train(config, seed=seed)


@needs_transformers
@pytest.mark.usefixtures("mirror")
def test_training_lowers_the_loss_and_a_seed_gives_the_same_curve(encoder: str) -> None:
    first = outcome(encoder, 0, learning_rate=1e-3)
    assert first.error is None
    losses = [epoch.train_loss or 0.0 for epoch in first.curve]
    assert losses[1] < losses[0] < 0.75
    assert outcome(encoder, 0, learning_rate=1e-3).curve == first.curve
    assert outcome(encoder, 1, learning_rate=1e-3).curve != first.curve


@needs_transformers
@pytest.mark.usefixtures("mirror")
def test_it_is_ready_where_the_weights_are_in_a_folder(encoder: str) -> None:
    assert Sst2Encoder.ready({"weights": encoder}).ready


def test_what_is_missing_is_named_with_the_command_that_gets_it() -> None:
    name = "nobody/has-this-encoder"
    with pytest.raises(SettingsError, match=f"hf download {name}" if HERE else "pip install transformers"):
        require(name)
    found = Sst2Encoder.ready({"weights": name})
    assert not found.ready
    assert found.command == f"pip install transformers && hf download {name}"


def test_the_learning_rate_rises_and_falls_in_straight_lines() -> None:
    assert [warmup_and_decay(done, 0.2) for done in (0.0, 0.1, 0.2, 0.6)] == pytest.approx([0.0, 0.5, 1.0, 0.5])
    assert warmup_and_decay(0.0, 0.0) == 1.0


def test_it_is_in_no_suite_that_runs_by_itself(tmp_path: Path) -> None:
    from harness.config.overrides import conf_dir, expand_suites

    for suite in ("all", "core", "full"):
        assert "sst2_encoder" not in expand_suites(f"task={suite}", [conf_dir()])
