"""The shared training loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from harness.space import Config
from harness.tasks.common.metrics import REGRESSION, Parts
from harness.tasks.common.training_loop import (
    Objective,
    Plan,
    Rows,
    fit,
    keyed_torch,
    make_optimizer,
    one_thread,
    predict,
    tiny_as_zero,
)

INPUTS = torch.linspace(-1, 1, 3000)[torch.randperm(3000, generator=torch.Generator().manual_seed(0))].reshape(-1, 1)
LINE = Rows((INPUTS,), 3 * INPUTS[:, 0] + 1, Parts(1000, 1000, 1000))
OBJECTIVE = Objective(functional.mse_loss, REGRESSION)
SGD: Config = {"optimizer": "sgd", "learning_rate": 0.1}


def line() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 1), nn.Flatten(start_dim=0))


def test_a_line_is_learned() -> None:
    *_, last = fit(line, LINE, OBJECTIVE, Plan(epochs=10, batch_size=20), SGD, seed=0)
    assert last.test_score_pct is not None
    assert last.test_score_pct > 99.9


def test_steps_follow_the_schedule() -> None:
    halves: list[float] = []

    def schedule(done: float) -> float:
        halves.append(done)
        return 0.0 if done >= 0.5 else 1.0

    epochs = list(fit(line, LINE, OBJECTIVE, Plan(4, 250, schedule), SGD, seed=0))
    assert halves == [step / 16 for step in range(16)]
    losses = [epoch.train_loss for epoch in epochs]
    assert losses[1] == losses[2] == losses[3] != losses[0]


def test_draws_depend_on_the_three_keys_and_on_nothing_before() -> None:
    def draw(*keys: str | int) -> list[float]:
        torch.rand(7)
        with keyed_torch(*keys):  # type: ignore[arg-type]
            return torch.rand(3).tolist()

    assert draw(0, "epoch", 1) == draw(0, "epoch", 1)
    assert len({tuple(draw(*keys)) for keys in ((0, "epoch", 1), (1, "epoch", 1), (0, "other", 1), (0, "epoch", 2))}) == 4


def test_a_keyed_block_puts_the_generator_back_even_when_it_fails() -> None:
    before = torch.get_rng_state()

    def fail() -> None:
        with keyed_torch(0, "epoch"):
            torch.rand(3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(torch.get_rng_state(), before)


def test_another_dropout_mask_is_drawn_in_every_epoch() -> None:
    seen: list[list[float]] = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen.append(functional.dropout(torch.ones(50), 0.5).tolist())
            return values[:, 0] * self.weight

    list(fit(Spy, LINE, OBJECTIVE, Plan(3, 1000), SGD, seed=0))
    assert len({tuple(mask) for mask in seen}) == 3


def test_a_training_runs_on_one_thread() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        next(fit(line, LINE, OBJECTIVE, Plan(1, 100), SGD, seed=0))
        assert torch.get_num_threads() == 1
        one_thread()
    finally:
        torch.set_num_threads(before)


def test_numbers_too_small_for_full_precision_are_zero_inside_the_block_alone() -> None:
    tiny = torch.tensor([1e-30])
    with tiny_as_zero():
        inside = (tiny * 1e-10).item()
    assert inside == 0.0
    assert (tiny * 1e-10).item() > 0.0


def test_prediction_in_stretches_is_prediction_at_once() -> None:
    model = line()
    np.testing.assert_array_equal(predict(model, (INPUTS,)).numpy(), model(INPUTS).detach().numpy())


@pytest.mark.parametrize(
    ("config", "kind", "expected"),
    [
        ({"optimizer": "sgd", "momentum": 0.8, "nesterov": True}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ({"optimizer": "sgd", "momentum": 0.0, "nesterov": True}, torch.optim.SGD, {"momentum": 0.0, "nesterov": False}),
        ({"optimizer": "adagrad"}, torch.optim.Adagrad, {}),
        ({"optimizer": "adam", "beta1": 0.7}, torch.optim.Adam, {"betas": (0.7, 0.999)}),
        ({"optimizer": "adamw"}, torch.optim.AdamW, {"betas": (0.9, 0.999)}),
    ],
)
def test_the_update_rule_is_the_one_that_is_asked_for(config: Config, kind: type, expected: dict[str, object]) -> None:
    made = make_optimizer(line(), {**config, "learning_rate": 0.3, "weight_decay": 0.01})
    assert type(made) is kind
    assert expected | {"lr": 0.3, "weight_decay": 0.01} == {key: made.defaults[key] for key in (*expected, "lr", "weight_decay")}


def test_an_unknown_update_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown optimizer 'lion'"):
        make_optimizer(line(), {"optimizer": "lion", "learning_rate": 0.1})
