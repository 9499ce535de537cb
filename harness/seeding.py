"""Randomness as a function of (seed, purpose, number): no generator state is carried from one trial to the next.

This is what makes resuming a matter of replaying: trial 7 draws the same numbers whether or not trials 1 to 6 ran in this process.
"""

from __future__ import annotations

import hashlib
import random


def keyed_seed(seed: int, purpose: str, number: int = 0, *, bits: int = 32) -> int:
    """Return an integer in [0, 2**bits) that depends on nothing but the three keys (BLAKE2b of their text)."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") >> (128 - bits)


def keyed_random(seed: int, purpose: str, number: int = 0) -> random.Random:
    """Return a fresh generator for one purpose and one trial number."""
    return random.Random(keyed_seed(seed, purpose, number, bits=128))
