"""What the numbers of a training depend on beside its settings: libraries, and which instructions the processor has."""

from __future__ import annotations

import platform
from pathlib import Path

from harness.environment import versions

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
# The instruction sets that numerical libraries choose their loops by.
INSTRUCTIONS = ("sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "sve")


def signature() -> dict[str, str]:
    """Return what two machines must have in common to be expected to train to the last bit alike."""
    found = versions(LIBRARIES)
    return {
        **{name: found.get(name, "none") for name in LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}",
        "instructions": " ".join(instructions()),
    }


def instructions() -> tuple[str, ...]:
    """Return which of `INSTRUCTIONS` the processor has; none where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith(("flags", "Features"))), set())
    return tuple(name for name in INSTRUCTIONS if name in flags)
