"""Write the table of settings in conf/README.md from the texts in the schema: `python scripts/settings_table.py [--check]`.

With --check nothing is written, and the exit status is 1 when the table differs from the schema.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.help import settings_table

README = Path(__file__).resolve().parents[1] / "conf" / "README.md"
BEGIN, END = "<!-- settings: python scripts/settings_table.py -->", "<!-- end of settings -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 when the table is not the schema's")
    given = parser.parse_args(arguments)
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = f"{before}{BEGIN}\n\n{settings_table()}\n\n{END}{after}"
    if given.check:
        if made != text:
            print(f"{README} is not of this schema: run `python scripts/settings_table.py`", file=sys.stderr)
        return int(made != text)
    README.write_text(made, encoding="utf-8")
    print(f"{README}: {'written' if made != text else 'is as the schema says'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
