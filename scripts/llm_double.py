"""Run a double of Ollama's or OpenAI's API, to try the harness without an LLM.

    python scripts/llm_double.py --api ollama --port 11434
    python scripts/llm_double.py --api openai --port 8000 --script faults.json

By default every call gets a valid configuration, drawn from the request's JSON schema. The double says in its version that it is one, and
so do commands, records and reports. `--script` names a JSON file in the format of harness/testing/servers/script.py.
`curl http://127.0.0.1:PORT/double` shows the numbers of answers and of injected faults.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

from harness.testing.servers.ollama_api import PULLED, VERSION, OllamaDouble
from harness.testing.servers.openai_api import KEY, MODELS, OpenAIDouble
from harness.testing.servers.script import Script


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", choices=("ollama", "openai"), required=True)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--seconds", type=float, default=0.0, help="how long each answer takes")
    parser.add_argument("--script", type=Path, help="JSON file with the faults to inject")
    parser.add_argument("--model", action="append", help="a model that is there (may be given again)")
    parser.add_argument("--key", help=f"openai: the only key that is let in (default: {KEY}; '' lets in anyone)", default=KEY)
    parser.add_argument("--thinker", action="append", default=[], help="ollama: a model that can think (may be given again)")
    parser.add_argument("--version", default=VERSION, help=f"ollama: the version to imitate (default: {VERSION})")
    parser.add_argument("--drifts", action="store_true", help="ollama: a warm cache and a reload change the text, as they do")
    parser.add_argument(
        "--loose-floats", action="store_true", help="ollama: do not hold a schema's bounds of floats, as it does not"
    )
    args = parser.parse_args()
    script = Script.read(json.loads(args.script.read_text(encoding="utf-8"))) if args.script else Script()
    server: OllamaDouble | OpenAIDouble
    if args.api == "ollama":
        habits = {"version": args.version, "drifts": args.drifts, "float_bounds": not args.loose_floats}
        server = OllamaDouble(script, port=args.port, models=args.model or PULLED, thinkers=args.thinker, **habits)
    else:
        server = OpenAIDouble(script, port=args.port, models=args.model or MODELS, key=args.key or None)
    server.seconds = args.seconds
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with server:
        print(f"{args.api} double at {server.url}", flush=True)
        done.wait()
    print(json.dumps(server.counts()))


if __name__ == "__main__":
    main()
