"""How long the torture tests take: the short form goes with `make test`, the full one is `make torture` (HARNESS_TORTURE=full)."""

from __future__ import annotations

import os

FULL = os.environ.get("HARNESS_TORTURE") == "full"


def scaled(short: int, full: int) -> int:
    """Return how much of something to do."""
    return full if FULL else short
