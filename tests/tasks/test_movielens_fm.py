"""MovieLens 100K as likes, and the factorisation machine on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from harness.tasks.common.metrics import auc_pct
from harness.tasks.full.movielens_fm import likings
from harness.testing.contracts.task import TaskContract, task_of
from harness.training.trainer import InProcess

pytestmark = pytest.mark.usefixtures("mirror")


class TestMovielensFm(TaskContract):
    name = "movielens_fm"
    window = (50.0, 70.0)
    smaller = (("epochs", 2), ("train_size", 4000))
    random_configs = 3


def test_the_default_ranks_at_least_as_well_as_biases_of_users_and_films_alone() -> None:
    # Rendle (2010): without factors a factorisation machine is this logistic regression. Koren and Bell (2011): such biases explain most
    # of what can be explained. 77.3 % on this split.
    task = task_of("movielens_fm")
    fields, liked = (values.numpy() for values in likings())
    encoded = OneHotEncoder().fit_transform(fields[:, :2])
    train, val = slice(0, 80_000), slice(80_000, 90_000)
    biases = LogisticRegression(C=1.0, max_iter=100, tol=1e-3).fit(encoded[train], liked[train])
    reference = auc_pct(biases.decision_function(encoded[val]), liked[val])
    outcome = InProcess(task).train(task.space.default(), seed=0)
    assert 76.5 < reference < 78.0
    assert outcome.val_score_pct is not None
    assert reference - 0.5 <= outcome.val_score_pct <= 80.0


def test_ratings_are_those_of_the_file() -> None:
    # As the README of the data set says: 943 users, 1,682 films, 21 occupations; 55,375 ratings are of 4 stars and more.
    fields, liked = likings()
    assert fields.shape == (100_000, 6)
    assert (fields.max(dim=0).values + 1).tolist() == [943, 1682, 7, 2, 21, 216]
    assert fields.min() == 0
    assert int(liked.sum()) == 55_375


def test_a_rating_has_the_fields_of_its_user_and_film() -> None:
    # The first line is user 196 (49, M, writer) on film 242 (a comedy) with 3 stars; the second user 186 (39, F, executive), film 302.
    fields, liked = likings()
    assert fields[0, :2].tolist() == [195, 241]
    assert fields[0, 2:4].tolist() == [4, 1]
    assert fields[1, 2:4].tolist() == [3, 0]
    assert liked[:3].tolist() == [0.0, 0.0, 0.0]
    writers = fields[0, 4]
    assert len(torch.unique(fields[fields[:, 4] == writers, 0])) == 45


def test_parts_do_not_overlap_and_keep_the_order_of_the_file() -> None:
    rows = task_of("movielens_fm")._rows  # type: ignore[attr-defined]
    fields, _ = likings()
    np.testing.assert_array_equal(rows.inputs[0].numpy(), fields.numpy())
    small = task_of("movielens_fm", TestMovielensFm.smaller)._rows  # type: ignore[attr-defined]
    np.testing.assert_array_equal(small.inputs[0][-20_000:].numpy(), fields[-20_000:].numpy())
    np.testing.assert_array_equal(small.inputs[0][:4000].numpy(), fields[:4000].numpy())
