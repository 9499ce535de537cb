"""`python -m harness`: see `app.py`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harness.environment import one_thread
from harness.errors import HarnessError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 when cells failed, 2 for a mistake in the command, 130 after Ctrl-C."""
    one_thread()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        from harness.app import run  # noqa: PLC0415 - after one_thread, and inside the net

        run(arguments)
    except HarnessError as error:
        return _complain(str(error), error.exit_status)
    except KeyboardInterrupt:
        return _complain("stopped; the same command goes on from here", 130)
    except Exception as error:
        from harness.complaints import one_line  # noqa: PLC0415 - only a mistake needs it

        text = one_line(error, arguments)
        if text is None:
            raise
        return _complain(text, 2)
    return 0


def _complain(text: str, status: int) -> int:
    print(f"harness: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
