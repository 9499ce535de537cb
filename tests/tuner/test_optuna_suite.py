"""The parts of Optuna's own suite for samplers that apply to one objective: all but those for several objectives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase

from harness import ExpertBlockSampler

pytestmark = pytest.mark.full


class TestExpertBlockSampler(BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: ExpertBlockSampler(seed=0)
