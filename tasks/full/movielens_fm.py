"""Recommender: a factorisation machine with an optional deep part (DeepFM) predicts which films a user likes, on MovieLens 100K."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from harness import Config, Epoch, Space, TaskCard
from harness.tasks.common import datasets
from harness.tasks.common.metrics import BINARY, Array, Parts
from harness.tasks.common.training_loop import Objective, Plan, Rows, fit
from harness.tasks.core.ratings import DeepFM

# A rating of at least so many stars counts as "liked", as is usual.
LIKED_STARS = 4
# The lowest age of each age group that GroupLens uses in its larger releases.
AGES = (18, 25, 35, 45, 50, 56)
FIRST_GENRE_COLUMN = 5
# The last of the 100,000 ratings are for test, those before them for validation.
VAL_ROWS, TEST_ROWS = 10_000, 10_000


class MovielensFm(datasets.OnPublicData):
    """Predict whether a user likes a film, from user, film, the user's age, gender and occupation, and the film's genres."""

    def __init__(self, space: Space, card: TaskCard, *, epochs: int = 8, train_size: int = 80_000) -> None:
        self.space = space
        self.card = card
        self._epochs = epochs
        fields, liked = likings()
        self._sizes = tuple(int(size) for size in fields.max(dim=0).values + 1)
        self.parts = Parts(train_size, VAL_ROWS, TEST_ROWS)
        kept = torch.cat([torch.arange(train_size), torch.arange(len(liked) - VAL_ROWS - TEST_ROWS, len(liked))])
        self._rows = Rows((fields[kept],), liked[kept], self.parts)
        self._base_rate = float(liked[:train_size].mean())

    @staticmethod
    def needed(_params: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the data sets."""
        return ("movielens_100k",)

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        plan = Plan(self._epochs, int(config["batch_size"]))
        objective = Objective(functional.binary_cross_entropy_with_logits, BINARY)
        odds = float(np.log(self._base_rate / (1.0 - self._base_rate)))
        return fit(lambda: DeepFM(config, self._sizes, odds), self._rows, objective, plan, config, seed)


@cache
def likings() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the values of six fields, shape (100000, 6), and whether the film was liked (1 or 0), shape (100000,).

    The fields are user, film, age group, gender, occupation, and the film's combination of genres. The rows are in the (random) order of
    the file. Raises DataError.
    """
    ratings, films, users = datasets.read("movielens_100k", "u.data", "u.item", "u.user")
    user, film, stars = np.array([line.split(b"\t")[:3] for line in ratings.splitlines()], dtype=np.int64).T
    # In their files, users and films have the numbers 1, 2, 3, ... in order.
    people = [line.split("|") for line in users.decode("latin-1").splitlines()]
    kinds = _numbered([line.split("|", FIRST_GENRE_COLUMN)[-1] for line in films.decode("latin-1").splitlines()])
    ages = np.searchsorted(AGES, [int(person[1]) for person in people], side="right")
    genders, jobs = (_numbered([person[column] for person in people]) for column in (2, 3))
    fields = [user - 1, film - 1, ages[user - 1], genders[user - 1], jobs[user - 1], kinds[film - 1]]
    return torch.tensor(np.stack(fields, axis=1)), torch.tensor(stars >= LIKED_STARS, dtype=torch.float32)


def _numbered(texts: list[str]) -> Array:
    """Return the number of each text: distinct texts are numbered from 0 in alphabetical order."""
    return np.unique(texts, return_inverse=True)[1]
