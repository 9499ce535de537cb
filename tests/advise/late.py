"""A method that makes the time be up, and hides that it was told."""

from __future__ import annotations

import contextlib
import os
import time

from harness.advise.time_limit import SIGNAL
from harness.optimizers.random import Random
from harness.trial import Proposal, Trajectory


class Late(Random):
    """Random search that raises the signal of the time limit once, in its second trial, and swallows what that raises."""

    late = False

    def propose(self, trajectory: Trajectory) -> Proposal:
        if Late.late and len(trajectory) == 1:
            Late.late = False
            with contextlib.suppress(BaseException):
                os.kill(os.getpid(), SIGNAL)
                time.sleep(0.05)
        return super().propose(trajectory)
