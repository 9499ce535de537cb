"""A task that goes wrong on order: each way in which foreign training code is known to fail."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.space import Config, Space
from harness.task import TaskCard
from harness.trial import Epoch


def _loop_in_c() -> None:
    # A pattern that backtracks for longer than anyone waits, inside one call into C that no signal interrupts.
    re.match(r"(a+)+b", "a" * 60)


def _raise_text(text: str) -> Callable[[], None]:
    def action() -> None:
        raise RuntimeError(text)

    return action


def _raise_until_fixed() -> None:
    if not Path("fixed").exists():
        raise RuntimeError("the code is broken")


def _exit_by_sys() -> None:
    raise SystemExit(7)


def _sleep_behind_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(3600,))
    thread.start()
    thread.join()


def _grow() -> None:
    held: list[bytes] = []
    while len(held) < 1600:
        held.append(b"x" * (1 << 26))  # written to, not only asked for


def _grow_in_another_process() -> None:
    subprocess.run([sys.executable, "-c", "held = []\nfor _ in range(1600): held.append(b'x' * (1 << 26))"], check=True)


ACTIONS: dict[str, Callable[[], Any]] = {
    "ok": lambda: None,
    "raise": _raise_text("the data\nis gone"),
    "surrogate": _raise_text("file \udcff is not UTF-8"),
    "long text": _raise_text("x" * 10_000),
    "memory": lambda: bytearray(1 << 60),
    "until fixed": _raise_until_fixed,
    "exit": _exit_by_sys,
    "os._exit": lambda: os._exit(3),
    "segfault": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), 9),
    "loop in C": _loop_in_c,
    "sleeping thread": _sleep_behind_a_thread,
    "grow": _grow,
    "grow elsewhere": _grow_in_another_process,
    "reserve": lambda: bytearray(100 << 30),
}


class Faulty:
    """Behaves for `good_epochs`, then does `action`; `only_above` restricts that to configurations with a larger `x`.

    A configuration may name an action of its own. Each process that trains leaves a file with its number in `pids`.
    """

    def __init__(self, space: Space, card: TaskCard, *, action: str = "ok", **options: Any) -> None:
        self.space, self.card = space, card
        self._action = action
        self._good_epochs = options.get("good_epochs", 2)
        self._only_above = options.get("only_above", -1.0)
        self._epoch_seconds = options.get("epoch_seconds", 0.0)
        self._pids = options.get("pids")
        if options.get("constructor") == "raise":
            raise OSError("the data set is not there")
        if options.get("constructor") == "surrogate":
            raise OSError("file \udcff")
        if options.get("constructor") == "slow":
            time.sleep(0.8)
        if options.get("constructor") == "os._exit":
            os._exit(5)

    def train(self, config: Config, *, seed: int) -> Iterator[Any]:
        if self._pids:
            Path(self._pids, str(os.getpid())).touch()
        for number in range(1, self._good_epochs + 1):
            time.sleep(self._epoch_seconds)
            yield Epoch(val_score_pct=50.0 * float(config["x"]) + number + seed / 100, test_score_pct=float(number))
        if float(config["x"]) <= self._only_above:
            return
        yield from self._misbehave(str(config.get("action", self._action)))

    def _misbehave(self, action: str) -> Iterator[Any]:
        if action == "nan":
            yield Epoch(val_score_pct=float("nan"))
        elif action == "infinite loss":
            yield Epoch(val_score_pct=1.0, val_loss=float("inf"))
        elif action == "no epoch":
            return
        elif action == "not an epoch":
            yield {"val_score_pct": 1.0}
        elif action == "above 100":
            yield Epoch(val_score_pct=100.5)
        elif action == "endless":
            while True:
                yield Epoch(val_score_pct=1.0)
        elif action == "text as score":
            yield Epoch(val_score_pct="high")  # type: ignore[arg-type]
        else:
            ACTIONS[action]()


class Loud(Faulty):
    """Fails with `action` for its words."""

    def _misbehave(self, action: str) -> Iterator[Any]:
        raise RuntimeError(action)
