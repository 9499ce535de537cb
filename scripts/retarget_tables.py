"""Change the name of the task's class in tables of recorded trainings: `python scripts/retarget_tables.py OLD=NEW ... FILE.npz ...`.

A table names the `_target_` of its task. When the code was only moved, this script rewrites the header; the arrays are unchanged.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from pathlib import Path

from harness.store.files import whole_file
from harness.tabular.header import MEMBER, read_header


def retarget(path: Path, names: dict[str, str]) -> str:
    """Rewrite one file when `names` maps its target to a new name. Return a line that says what was done."""
    before = read_header(path)
    new = names.get(before.subject.target)
    if new is None:
        return f"{path}: {before.subject.target}, left as it is"
    with zipfile.ZipFile(path) as old, whole_file(path, sync=False) as draft, zipfile.ZipFile(draft, "w") as made:
        for member in old.infolist():
            data = old.read(member)
            if member.filename == MEMBER:
                header = json.loads(data)
                header["subject"]["target"] = new
                data = json.dumps(header, indent=1, ensure_ascii=False).encode()
            made.writestr(member, data, compress_type=member.compress_type, compresslevel=9)
    after = read_header(path)
    assert after.arrays_sha256 == before.arrays_sha256
    return f"{path}: {before.subject.target} -> {new}, {before.checksum} -> {after.checksum}"


def main() -> None:
    """Rewrite the files."""
    parser = argparse.ArgumentParser(description="Give recorded trainings the new name of their task's code.")
    parser.add_argument("what", nargs="+", metavar="OLD=NEW|FILE")
    asked = parser.parse_args().what
    names = dict(entry.split("=", 1) for entry in asked if "=" in entry)
    for entry in asked:
        if "=" not in entry:
            print(retarget(Path(entry), names))


if __name__ == "__main__":
    main()
