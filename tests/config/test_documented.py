"""Every field of the schema is described, with the default that a command really has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml

from harness.cli.help import help_text, settings_table
from harness.config.documented import documented, written
from harness.config.schema import Settings
from harness.tcs import ALL_BLOCKS

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {setting.key: setting for group in documented() for setting in group.settings}
# What a file of conf/ gives, whatever the schema's default is.
FROM_FILES = ("task.", "optimizer.", "llm.", "tracking.")


def keys_of(schema: Any, prefix: str = "") -> Iterator[str]:
    """Yield the keys that Python itself sees in the schema."""
    kinds = get_type_hints(schema)
    for field in fields(schema):
        kind, key = kinds[field.name], f"{prefix}{field.name}"
        inside = [k for k in get_args(kind) if is_dataclass(k)]
        if is_dataclass(kind):
            yield from keys_of(kind, f"{key}.")
        elif inside:
            yield from keys_of(inside[0], f"{key}.NAME.")
        else:
            yield key


def test_every_field_of_the_schema_is_described_and_nothing_else() -> None:
    assert sorted(SETTINGS) == sorted(keys_of(Settings))
    assert [setting.key for setting in SETTINGS.values() if not setting.text] == []


def test_the_help_and_the_table_show_every_setting() -> None:
    lines, table = help_text([]).splitlines(), settings_table()
    assert max(map(len, lines)) <= 80
    for key, setting in SETTINGS.items():
        shown = key if setting.default is None else f"{key}={setting.default}"
        assert [line for line in lines if line.split("  ")[0].rstrip() == shown or line.startswith(f"{shown} ")], shown
        assert f"| `{key}` |" in table


def test_the_defaults_are_those_of_a_command_that_sets_nothing(cli: Any) -> None:
    composed = yaml.safe_load(cli("--cfg", "job").out)
    for key, setting in SETTINGS.items():
        if not key.startswith(FROM_FILES):
            value = composed
            for name in key.split("."):
                value = value[name]
            assert written(value) == setting.default, key


def test_all_expert_blocks_are_the_default() -> None:
    assert SETTINGS["tcs.blocks"].default == written(list(ALL_BLOCKS))


def test_the_members_of_an_enumeration_are_its_choices() -> None:
    assert SETTINGS["progress"].choices == ("auto", "live", "plain", "off")
    assert SETTINGS["store.sync"].description.startswith("trial | cell: ")


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (600.0, "600"), (0.5, "0.5"), ("", '""'), (["a", 1], "[a,1]")]
)
def test_defaults_are_written_as_a_command_line_takes_them(value: Any, text: str) -> None:
    assert written(value) == text


def test_a_field_without_a_text_has_an_empty_one(tmp_path: Path) -> None:
    source = tmp_path / "schema.py"
    fields_of_it = [
        '"""Title. More."""',
        "a: int = 1",
        '"""about a"""',
        "b: int = MISSING",
        "c: list = field(default_factory=list)",
    ]
    source.write_text("\n    ".join(["class Settings:", *fields_of_it]))
    (group,) = documented((source,))
    assert group.title == "Title"
    assert [(s.key, s.default, s.text) for s in group.settings] == [("a", "1", "about a"), ("b", None, ""), ("c", "[]", "")]


def test_the_table_in_conf_is_the_schema_s() -> None:
    script = ROOT / "scripts" / "settings_table.py"
    ran = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
