"""Recommender: a factorisation machine with a deep part (DeepFM) predicts ratings of items by users; the data are generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common.metrics import REGRESSION, Array, Parts
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit

DATA_SEED = 20090628
HIDDEN_SIZE = 64
SLOPE = 0.1


@dataclass(frozen=True)
class Market:
    """The parameters of the generated ratings.

    users, items, segments, genres: how many there are of each. rank: the dimension of the vectors of tastes and traits.
    own_taste: the weight of an individual's own part in its vector, in [0, 1]; the rest is its segment's (or genre's) centre.
    bias, noise: standard deviations of a user's (or item's) bias and of the noise of one rating.
    middle, spread: mean and scale, in stars, of the ratings before rounding.
    """

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
        """The number of values of each of the four fields of a rating: user, item, segment, genre."""
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
            lambda: DeepFM(config, Market().fields, self._mean),
            self._rows,
            Objective(functional.mse_loss, REGRESSION),
            plan,
            config,
            seed,
        )


class DeepFM(nn.Module):
    """The sum of a linear part, the inner products of all pairs of fields, and a network on all factors.

    Rendle (2010) describes the factorisation machine, Guo et al. (2017) the network. `fields` holds the number of values of each field;
    `mean` is the initial prediction.
    """

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
        """Map the value of each field, shape (n, fields), to a prediction, shape (n,)."""
        places = rows + self._first
        factors = self._factors(places)
        products = 0.5 * (factors.sum(dim=1) ** 2 - (factors**2).sum(dim=1)).sum(dim=1)
        predicted: Tensor = self._bias + self._linear(places).sum(dim=(1, 2)) + products
        return predicted if self._deep is None else predicted + self._deep(factors.flatten(start_dim=1)).squeeze(1)


def deep_part(width: int, depth: int, dropout: float) -> nn.Module:
    """Return a network with `depth` hidden layers; it maps shape (n, width) to (n, 1)."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, HIDDEN_SIZE), nn.LeakyReLU(SLOPE), nn.Dropout(dropout)]
        width = HIDDEN_SIZE
    return nn.Sequential(*layers, nn.Linear(width, 1))


@cache
def stars(parts: Parts) -> Rows:
    """Generate ratings of 1 to 5 stars. The result is always the same.

    The liking of an item by a user is b_user + b_item + <taste_user, traits_item> + noise, where all terms are Gaussian (Salakhutdinov
    and Mnih 2008). It is scaled and rounded to stars. The mean taste depends on the user's segment, the mean traits on the item's genre
    (Agarwal and Chen 2009). Some users are more active and some items more popular, and have more ratings.
    """
    market, count = Market(), parts.train + parts.val + parts.test
    # The stream of RandomState never changes (NEP 19), unlike the streams of NumPy's newer generators.
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
    """Draw `count` different pairs (user, item). The weight of a pair falls with the numbers of its user and of its item.

    Raises ValueError when there are fewer pairs.
    """
    weights = np.outer(1 / np.sqrt(10 + np.arange(market.users)), 1 / np.sqrt(10 + np.arange(market.items))).ravel()
    if count > len(weights):
        raise ValueError(f"{count} ratings are more than the {len(weights)} pairs of a user and an item")
    # The pairs with the smallest of these exponential keys are a weighted sample without replacement (Efraimidis and Spirakis 2006).
    keys = rng.exponential(size=len(weights)) / weights
    pairs = rng.permutation(np.argsort(keys, kind="stable")[:count])
    return pairs // market.items, pairs % market.items
