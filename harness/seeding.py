"""Random numbers as a function of (seed, purpose, number): no generator keeps a state from one trial to the next.

So a cell can be resumed: trial 7 draws the same numbers whether or not trials 1 to 6 ran in this process.
"""

from __future__ import annotations

import hashlib
import random


def keyed_seed(seed: int, purpose: str, number: int = 0, *, bits: int = 32) -> int:
    """Return an integer in [0, 2**bits) that depends only on seed, purpose and number (BLAKE2b of their text). `bits` is at most 128."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") >> (128 - bits)


def keyed_random(seed: int, purpose: str, number: int = 0) -> random.Random:
    """Return a new generator for one seed, purpose and trial number."""
    return random.Random(keyed_seed(seed, purpose, number, bits=128))
