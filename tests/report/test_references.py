"""Every file, column, section and script that the report speaks of is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report.render.document import Figure, Fold, Report, Table

ROOT = Path(__file__).resolve().parents[2]


def sentences(report: Report) -> Iterator[str]:
    yield from (value for _, value in report.facts)
    yield from (answer.text for answer in report.answers)
    for item in report.items():
        match item:
            case str():
                yield item
            case Table():
                yield from (item.title, *item.notes, *(column.hint for column in item.columns))
                yield from (note for inner in item.terminal for note in inner.notes)
            case Figure():
                yield from (item.title, item.alt, *item.notes)
            case Fold():
                yield item.title


@pytest.fixture
def text(synthetic_out: tuple[Report, Path]) -> str:
    return "\n".join(sentences(synthetic_out[0]))


def test_every_file_that_is_spoken_of_is_written(synthetic_out: tuple[Report, Path], text: str) -> None:
    files = set(re.findall(r"\b(?:csv|latex|figures)/[\w.]+\w", text))
    assert "csv/regret.csv" in files
    assert [name for name in sorted(files) if not (synthetic_out[1] / name).is_file()] == []


def test_every_column_that_is_spoken_of_is_in_its_file(synthetic_out: tuple[Report, Path], text: str) -> None:
    spoken = re.findall(r"((?:`\w+`(?:,? and |, )?)+) of (csv/\w+\.csv)", text)
    assert spoken
    assert text.count("`") == 2 * sum(len(re.findall(r"`\w+`", names)) for names, _ in spoken)
    for names, file in spoken:
        heads = (synthetic_out[1] / file).read_text().partition("\n")[0].split(",")
        assert set(re.findall(r"`(\w+)`", names)) <= set(heads)


def test_no_sentence_sends_the_reader_to_a_file_without_its_name(text: str) -> None:
    assert not re.search(r"(?:see|in) the CSV(?! files of)", text)


def test_every_section_and_script_that_is_spoken_of_is_there(synthetic_out: tuple[Report, Path], text: str) -> None:
    titles = " ".join(section.title.partition(":")[0].lower() for section in synthetic_out[0].sections)
    sections = re.findall(r"see (?:the )?([A-Z]\w+|coverage)", text) + re.findall(r"; the (\w+) says why", text)
    assert sections
    assert all(name.lower() in titles for name in sections)
    scripts = set(re.findall(r"\bscripts/\w+\.py", text))
    assert scripts
    assert all((ROOT / script).is_file() for script in scripts)


def test_no_sentence_speaks_of_methods_beyond_the_study(text: str) -> None:
    assert not re.search(r"strongest|state of the art|in general|always (?:wins|better)|best (?:method|arm|tuner)\b", text)
