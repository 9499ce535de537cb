from __future__ import annotations

import pytest

from harness.errors import SettingsError
from harness.optimizer import Optimizer
from harness.optimizers.smac_hpo import SmacHPO
from harness.space import Space
from harness.testing.contracts.optimizer import NASTY, ModelContract, given

try:
    import smac
except ImportError:
    smac = None


def test_without_the_extra_one_line_says_what_to_install() -> None:
    if smac is not None:
        pytest.skip("SMAC is installed")
    with pytest.raises(SettingsError, match=r"needs SMAC3: pip install 'tcs-harness\[smac\]'"):
        SmacHPO(NASTY, 0, startup_trials=1).propose(given(["optimizer"] * 2))


@pytest.mark.skipif(smac is None, reason="SMAC is an extra: pip install 'tcs-harness[smac]'")
class TestSmacHPO(ModelContract):
    trials = 7
    replayed = (0, 3, 6)

    @staticmethod
    def build(space: Space, seed: int) -> Optimizer:
        return SmacHPO(space, seed, startup_trials=3)
