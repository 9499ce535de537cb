"""A process that has imported everything, and forks a command line from itself in some milliseconds instead of starting one in a second.

    python zygote.py          one JSON object a line on standard input, one answer a line on standard output

    {"run": {"argv": [...], "cwd": "...", "output": "FILE", "stop": {...} or null}}   ->  {"pid": 123}
    {"wait": 123}                                                                     ->  {"status": 0}, or minus the signal

A command runs in a session of its own. `stop` makes it kill itself at a named point (see points.py).
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import traceback
from typing import Any

PRELOADED = (
    "harness.__main__",
    "harness.cli.app",
    "harness.cli.sweep",
    "harness.optimizers.agent.agent",
    "harness.llm.ollama",
    "harness.optimizers.random",
    "harness.optimizers.rules.policy",
    "harness.optimizers.skopt_gp",
    "harness.optimizers.tpe",
    "harness.store.cell_folder",
    "harness.run.tracking",
    "httpx",
    "ollama",
    "optuna",
    "skopt",
    "support.faulty",
    "harness.tasks.toy",
)


def main() -> None:
    """Serve until standard input ends."""
    import importlib

    for name in PRELOADED:
        importlib.import_module(name)
    from hydra.core.plugins import Plugins

    Plugins.instance()  # looks through all installed packages
    gc.freeze()  # else each child's first collection copies all of it
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "run" in asked:
            answer = {"pid": _fork(asked["run"])}
        else:
            _, status = os.waitpid(asked["wait"], 0)
            answer = {"status": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), flush=True)


def _fork(asked: dict[str, Any]) -> int:
    # No signal before the command is there to see it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    pid = os.fork()
    if pid == 0:
        _command(asked)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    return pid


def _command(asked: dict[str, Any]) -> None:
    """Be the command, to the end of this process."""
    os.setsid()
    os.chdir(asked["cwd"])
    output = os.open(asked["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked["stop"] is not None:
        from torture.points import arm

        arm(**asked["stop"])
    status = 1
    try:
        from harness.__main__ import command

        sys.argv[1:] = asked["argv"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        command()
    except SystemExit as end:
        status = int(end.code or 0)
    except KeyboardInterrupt:  # before the command's first line
        status = 130
    except BaseException:
        traceback.print_exc()
    sys.exit(status)


if __name__ == "__main__":
    main()
