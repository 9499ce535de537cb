"""Print the pip options for the PyTorch build that fits this machine; used by `make setup`.

PyPI's Linux build of PyTorch brings gigabytes of CUDA. On a Linux machine without an NVIDIA driver, PyTorch's own index of CPU builds is
added, if it can be reached; everywhere else pip's ordinary choice is right, and nothing is printed.
"""

from __future__ import annotations

import shutil
import sys
import urllib.request

CPU_BUILDS = "https://download.pytorch.org/whl/cpu"


def main() -> None:
    """Print the options, or nothing."""
    if sys.platform != "linux" or shutil.which("nvidia-smi"):
        return
    try:
        with urllib.request.urlopen(f"{CPU_BUILDS}/torch/", timeout=5):
            print(f"--extra-index-url {CPU_BUILDS}")
    except OSError:
        return


if __name__ == "__main__":
    main()
