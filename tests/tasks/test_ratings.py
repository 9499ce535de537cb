"""The recommender task, its model and its ratings."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from harness.errors import SettingsError
from harness.space import Config
from harness.tasks.common.metrics import Parts
from harness.tasks.core.ratings import DeepFM, Market, stars
from harness.testing.contracts.task import TaskContract, spec_of
from harness.training.build import build_task


class TestRatings(TaskContract):
    name = "ratings"
    # Its default is bad on purpose.
    window = (0.0, 5.0)
    diverges = {"optimizer": "sgd", "learning_rate": 3.0, "init_scale": 0.5}  # noqa: RUF012


def test_the_fast_form_of_the_products_is_the_sum_over_pairs_of_fields() -> None:
    config: Config = {"embedding_size": 5, "num_layers": 0, "init_scale": 0.3}
    model = DeepFM(config, fields=(3, 2, 4), mean=3.5)
    rows = torch.tensor([[0, 1, 2], [2, 0, 3]])
    factors = model._factors(rows + torch.tensor([0, 3, 5]))
    pairs = sum((factors[:, i] * factors[:, j]).sum(dim=1) for i, j in combinations(range(3), 2))
    torch.testing.assert_close(model(rows), 3.5 + pairs)


def test_no_user_rates_an_item_twice() -> None:
    rows = stars(Parts(8000, 6000, 8000)).inputs[0]
    assert len({(user, item) for user, item in rows[:, :2].tolist()}) == len(rows)


def test_ratings_are_whole_stars_of_known_users_and_items() -> None:
    rows = stars(Parts(8000, 6000, 8000))
    assert torch.unique(rows.targets).tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    for column, size in zip(rows.inputs[0].T, Market().fields, strict=True):
        assert int(column.min()) >= 0
        assert int(column.max()) < size


def test_popular_items_have_more_ratings() -> None:
    counts = np.bincount(stars(Parts(8000, 6000, 8000)).inputs[0][:, 1].numpy(), minlength=Market().items)
    assert counts[:100].sum() > 1.5 * counts[-100:].sum()


def test_more_ratings_than_there_are_pairs_is_a_setting_that_makes_no_sense() -> None:
    spec = spec_of("ratings")
    with pytest.raises(SettingsError, match="more than the 120000 pairs"):
        build_task(replace(spec, params={**spec.params, "train_size": 200_000}))
