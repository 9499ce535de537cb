"""A task whose trainings change the process that they run in, as foreign code does, or get a signal while they run."""

from __future__ import annotations

import gc
import io
import locale
import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.space import Config, Space
from harness.task import TaskCard
from harness.trial import Epoch


@dataclass(frozen=True)
class Leaving:
    """Something that a training does to its process, and how to see it. `library`: what must be installed for it."""

    do: Callable[[], Any]
    look: Callable[[], Any]
    library: str = ""


def _folder() -> None:
    Path("work").mkdir(exist_ok=True)
    os.chdir("work")


def _environment() -> None:
    os.environ["LEFT_BEHIND"] = "1"
    os.environ.pop("OMP_NUM_THREADS", None)


def _rebound_path() -> None:
    sys.path = ["/nowhere", *sys.path]


def _alarm() -> None:
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(3000)


def _hydra() -> None:
    import hydra
    from omegaconf import OmegaConf

    hydra.initialize(version_base="1.2")
    assert hydra.compose(overrides=["+left=1"]).left == 1
    OmegaConf.register_new_resolver("left", lambda: 1)


def _see_hydra() -> Any:
    from hydra.core.global_hydra import GlobalHydra
    from hydra.version import base_at_least
    from omegaconf import OmegaConf

    initialized = GlobalHydra.instance().is_initialized()
    return initialized, OmegaConf.has_resolver("left"), initialized and base_at_least("1.3")


def _application() -> None:
    import hydra

    ran: list[Any] = []
    hydra.main(version_base="1.3", config_path=None)(ran.append)()
    assert len(ran) == 1


def _numpy() -> None:
    import numpy as np

    np.seterr(all="raise")
    np.set_printoptions(precision=2)
    np.random.seed(7)


def _see_numpy() -> Any:
    import numpy as np

    return np.geterr(), np.get_printoptions()["precision"]


def _torch() -> None:
    import torch

    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.set_num_threads(3)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(7)


def _see_torch() -> Any:
    import torch

    deterministic = torch.are_deterministic_algorithms_enabled()
    return torch.is_grad_enabled(), torch.tensor([0.5]).dtype, torch.ones(1).device, torch.get_num_threads(), deterministic


def _sklearn() -> None:
    import sklearn

    sklearn.set_config(transform_output="pandas")


def _see_sklearn() -> Any:
    import sklearn

    return sklearn.get_config()["transform_output"]


def _logging() -> None:
    logging.basicConfig(level=logging.DEBUG, handlers=[logging.NullHandler()], force=True)
    logging.disable(logging.ERROR)


LEAVINGS = {
    "Hydra application": Leaving(_application, _see_hydra, "hydra"),  # the first: it reads sys.argv
    "working folder": Leaving(_folder, os.getcwd),
    "environment": Leaving(_environment, lambda: [os.environ.get(name) for name in ("LEFT_BEHIND", "OMP_NUM_THREADS")]),
    "sys.path": Leaving(lambda: sys.path.insert(0, "/nowhere"), lambda: sys.path.count("/nowhere")),
    "another sys.path": Leaving(_rebound_path, lambda: sys.path.count("/nowhere")),
    "sys.argv": Leaving(lambda: sys.argv.append("--left"), lambda: "--left" in sys.argv),
    "standard output": Leaving(lambda: setattr(sys, "stdout", io.StringIO()), lambda: isinstance(sys.stdout, io.StringIO)),
    "recursion limit": Leaving(lambda: sys.setrecursionlimit(4321), sys.getrecursionlimit),
    "signal handler": Leaving(lambda: signal.signal(signal.SIGTERM, lambda *_: None), lambda: signal.getsignal(signal.SIGTERM)),
    "alarm": Leaving(_alarm, lambda: (signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0] > 0)),
    "blocked signal": Leaving(
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}), lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ),
    "warnings": Leaving(lambda: warnings.simplefilter("ignore"), lambda: ("ignore", None, Warning, None, 0) in warnings.filters),
    "logging": Leaving(_logging, lambda: (logging.root.level, logging.root.manager.disable, len(logging.root.handlers))),
    "locale": Leaving(lambda: locale.setlocale(locale.LC_ALL, "POSIX"), lambda: locale.setlocale(locale.LC_ALL)),
    "garbage collection": Leaving(gc.disable, gc.isenabled),
    "start method": Leaving(
        lambda: multiprocessing.set_start_method("forkserver", force=True),
        lambda: multiprocessing.get_start_method(allow_none=True),
    ),
    "Hydra": Leaving(_hydra, _see_hydra, "hydra"),
    "NumPy": Leaving(_numpy, _see_numpy, "numpy"),
    "scikit-learn": Leaving(_sklearn, _see_sklearn, "sklearn"),
    "torch": Leaving(_torch, _see_torch, "torch"),
}
# Those that change nothing that anybody could see afterwards, were they not put back: they fail where Hydra is in use already.
CLEAN_ENDINGS = ("Hydra application",)


def seen(names: Sequence[str] = tuple(LEAVINGS)) -> dict[str, Any]:
    """Return what can be seen of each leaving now, of libraries that somebody imported."""
    return {name: LEAVINGS[name].look() for name in names if not LEAVINGS[name].library or LEAVINGS[name].library in sys.modules}


def draws() -> list[float]:
    """Draw from the global generators of Python and of the libraries that somebody imported."""
    found = [random.random()]
    if "numpy.random" in sys.modules:
        found += [float(sys.modules["numpy.random"].random()), float(sys.modules["numpy.random"].standard_normal())]
    if "torch" in sys.modules:
        found.append(float(sys.modules["torch"].rand(1)))
    return found


# What the first training of this process saw of each, and the last one drew.
first: dict[str, Any] = {}
drawn: list[float] = []


class Foreign:
    """Leaves behind what `leaves` names; sends its own process `stop`, the name of a signal.

    The score says how many things a training saw otherwise than the first one of its process: less than one point each when none.
    `cleans_up`: its own code catches what the signal's handler raises, and goes on (quietly) or raises an error (loudly). `once`: a
    file, after whose making no signal is sent any more. `also`: a shell command that is started just before the signal is sent.
    """

    def __init__(self, space: Space, card: TaskCard, **options: Any) -> None:
        self.space, self.card = space, card
        self._leaves: Sequence[str] = options.get("leaves", ())
        self._stop: str | None = options.get("stop")
        self._cleans_up: str | None = options.get("cleans_up")
        self._once: str | None = options.get("once")
        self._also: str | None = options.get("also")

    def train(self, config: Config, *, seed: int) -> Iterator[Epoch]:
        now = seen()
        other = [name for name, value in now.items() if first.setdefault(name, value) != value]
        drawn[:] = draws()
        yield Epoch(val_score_pct=10.0 * len(other) + float(config["x"]), test_score_pct=0.0)
        if self._stop is not None and not (self._once and Path(self._once).exists()):
            if self._once:
                Path(self._once).touch()
            self._get_signal(signal.Signals[self._stop])
        for name in config.get("leaves", self._leaves):  # type: ignore[union-attr]
            LEAVINGS[name].do()
        yield Epoch(val_score_pct=10.0 * len(other) + float(config["x"]), test_score_pct=1.0)

    def _get_signal(self, number: signal.Signals) -> None:
        if self._also:
            subprocess.Popen(["sh", "-c", self._also])
        try:
            os.kill(os.getpid(), number)
            time.sleep(0.1)
        except BaseException as raised:  # as clean-up that means well does
            if self._cleans_up is None:
                raise
            if self._cleans_up == "loudly":
                raise ValueError("a file could not be closed") from raised
