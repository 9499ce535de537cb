"""Print the pip options for the PyTorch build that fits this machine; used by `make setup`.

PyPI's Linux build of PyTorch contains gigabytes of CUDA libraries. On a Linux machine without an NVIDIA driver, this script adds PyTorch's
index of CPU builds, if it can be reached. On other machines pip's default is right, and nothing is printed.
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
