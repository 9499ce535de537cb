"""Recommender: a factorisation machine with a deep part (DeepFM) predicts the stars that users give items; the data are generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common.metrics import NUMBERS, Array, Parts
from harness.tasks.common.training_loop import Goal, Plan, Rows, fit

DATA_SEED = 20090628
HIDDEN_SIZE = 64
SLOPE = 0.1


@dataclass(frozen=True)
class Market:
    """What the ratings are drawn from: how many there are of each kind, and the standard deviations of a rating's parts."""

    users: int = 400
    items: int = 300
    segments: int = 8
    genres: int = 12
    rank: int = 6
    own_taste: float = 0.6
    bias: float = 0.6
    noise: float = 0.5
    middle: float = 3.2
    spread: float = 0.9

    @property
    def fields(self) -> tuple[int, ...]:
        """The number of values of each of the four fields that a rating is described by."""
        return self.users, self.items, self.segments, self.genres


class Ratings:
    """Predict a rating of 1 to 5 stars from the user, the item, the user's segment and the item's genre."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 10, train_size: int = 8000, val_size: int = 4000) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        self._rows = stars(Parts(train_size, val_size, test=8000))
        self._mean = float(self._rows.targets[:train_size].mean())
        self.parts = self._rows.parts

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]))
        return fit(
            lambda: DeepFM(config, Market().fields, self._mean), self._rows, Goal(functional.mse_loss, NUMBERS), plan, config, seed
        )


class DeepFM(nn.Module):
    """Sum of a linear part, all products of two fields' factors, and a network on all factors (Rendle 2010, Guo et al. 2017)."""

    def __init__(self, config: Config, fields: tuple[int, ...], mean: float) -> None:
        super().__init__()
        rank, depth = int(config["embedding_size"]), int(config["num_layers"])
        first = np.cumsum([0, *fields[:-1]])
        self._first = torch.tensor(first)
        self._bias = nn.Parameter(torch.tensor([mean]))
        self._linear = nn.Embedding(sum(fields), 1)
        self._factors = nn.Embedding(sum(fields), rank)
        nn.init.zeros_(self._linear.weight)
        nn.init.normal_(self._factors.weight, std=float(config["init_scale"]))
        self._deep = deep_part(len(fields) * rank, depth, float(config["dropout"])) if depth else None

    def forward(self, rows: Tensor) -> Tensor:
        """Take each field's value, shape (n, fields), to the expected stars, shape (n,)."""
        places = rows + self._first
        factors = self._factors(places)
        products = 0.5 * (factors.sum(dim=1) ** 2 - (factors**2).sum(dim=1)).sum(dim=1)
        predicted: Tensor = self._bias + self._linear(places).sum(dim=(1, 2)) + products
        return predicted if self._deep is None else predicted + self._deep(factors.flatten(start_dim=1)).squeeze(1)


def deep_part(width: int, depth: int, dropout: float) -> nn.Module:
    """Return a network of `depth` hidden layers from (n, width) to (n, 1)."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, HIDDEN_SIZE), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
        width = HIDDEN_SIZE
    return nn.Sequential(*layers, nn.Linear(width, 1))


@cache
def stars(parts: Parts) -> Rows:
    """Draw ratings of 1 to 5 stars; always the same.

    Liking is b_user + b_item + <taste_user, traits_item> + noise, all Gaussian (Salakhutdinov and Mnih 2008), and is rounded to
    stars; the means of tastes and traits are those of the user's segment and the item's genre (Agarwal and Chen 2009). Active users
    and popular items have more ratings.
    """
    market, count = Market(), parts.train + parts.val + parts.test
    # RandomState's stream is frozen for good (NEP 19), unlike that of NumPy's newer generators.
    rng = np.random.RandomState(DATA_SEED)
    segment, genre = rng.randint(market.segments, size=market.users), rng.randint(market.genres, size=market.items)
    taste = _vectors(rng, market.segments, segment, market)
    traits = _vectors(rng, market.genres, genre, market)
    user_bias, item_bias = rng.normal(0, market.bias, market.users), rng.normal(0, market.bias, market.items)
    user, item = _pairs(rng, market, count)
    liking = user_bias[user] + item_bias[item] + (taste[user] * traits[item]).sum(axis=1) + rng.normal(0, market.noise, count)
    rows = np.stack([user, item, segment[user], genre[item]], axis=1)
    given = np.clip(np.round(market.middle + market.spread * liking), 1, 5)
    return Rows((torch.tensor(rows),), torch.tensor(given, dtype=torch.float32), parts)


def _vectors(rng: np.random.RandomState, groups: int, group: Array, market: Market) -> Array:
    centres = rng.normal(0, 1, (groups, market.rank))
    mixed = np.sqrt(1 - market.own_taste**2) * centres[group] + market.own_taste * rng.normal(0, 1, (len(group), market.rank))
    return np.asarray(mixed / market.rank**0.25)


def _pairs(rng: np.random.RandomState, market: Market, count: int) -> tuple[Array, Array]:
    """Draw `count` different (user, item) pairs, each with a weight that falls with the rank of its user and of its item."""
    weights = np.outer(1 / np.sqrt(10 + np.arange(market.users)), 1 / np.sqrt(10 + np.arange(market.items))).ravel()
    if count > len(weights):
        raise ValueError(f"{count} ratings are more than the {len(weights)} pairs of a user and an item")
    # The first of these exponential races to end are a weighted sample without replacement (Efraimidis and Spirakis 2006).
    keys = rng.exponential(size=len(weights)) / weights
    pairs = rng.permutation(np.argsort(keys, kind="stable")[:count])
    return pairs // market.items, pairs % market.items
