"""The parts of a machine that the numbers of a training depend on: library versions, and the processor's instruction sets."""

from __future__ import annotations

import platform
from pathlib import Path

from harness.environment import versions

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch")
# The instruction sets by which numerical libraries choose their code.
INSTRUCTIONS = ("sse4_2", "avx", "fma", "avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16", "asimd", "sve")


def signature() -> dict[str, str]:
    """Return the properties that two machines must share so that trainings can be expected to be equal to the last bit."""
    found = versions(LIBRARIES)
    return {
        **{name: found.get(name, "none") for name in LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}",
        "instructions": " ".join(instructions()),
    }


def instructions() -> tuple[str, ...]:
    """Return the `INSTRUCTIONS` that the processor has; empty when the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ()
    flags = next((set(line.partition(":")[2].split()) for line in lines if line.startswith(("flags", "Features"))), set())
    return tuple(name for name in INSTRUCTIONS if name in flags)
