"""The page in a real browser: no message on the console, no request, no scrolling sideways on a phone, tables that sort and filter.

The page's policy lets no script of a test run on it. So a test puts the page into a frame, and acts from outside.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.report.render.document import Fold, Report, Section, Table, Text, columns, row
from harness.report.render.page import to_html

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--virtual-time-budget=2000"),
    # The browser's own question for the time, and a stop to any name that it might look up for itself.
    *("--disable-features=NetworkTimeServiceQuerying", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
]


def browse(page: Path, folder: Path, *more: str) -> tuple[str, str, list[str]]:
    """Open a page in a fresh profile; return its DOM, the browser's console lines, and every address that the page asked for."""
    log = folder / "net.json"
    command = [
        str(CHROMIUM),
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--log-net-log={log}",
        *more,
        "--dump-dom",
        page.as_uri(),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    console = "\n".join(line for line in ran.stderr.splitlines() if "CONSOLE" in line)
    text = log.read_text()
    # The browser may still be closing its list of events.
    events = json.loads(text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}")["events"]
    requests = [event["params"] for event in events if "network_isolation_key" in event.get("params", {})]
    # The browser's own requests (for its updates) belong to no page of ours.
    asked = [request["url"] for request in requests if request["network_isolation_key"].startswith("file:")]
    return ran.stdout, console, asked


@pytest.fixture(scope="module")
def pages(synthetic_out: tuple[Report, Path], hostile_out: Path) -> dict[str, Path]:
    """The page of a synthetic study, and of one in which every text is hostile."""
    return {"synthetic": synthetic_out[1] / "report.html", "hostile": hostile_out / "report.html"}


@pytest.mark.parametrize("name", ["synthetic", "hostile"])
def test_the_page_opens_quietly_and_asks_for_nothing(pages: dict[str, Path], name: str, tmp_path: Path) -> None:
    dom, console, asked = browse(pages[name], tmp_path)
    assert "Is the small LLM good enough?" in dom
    assert console == ""
    assert [url for url in asked if not url.startswith(("file://", "data:", "chrome:", "about:"))] == []


def test_a_page_that_did_ask_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><img src=http://127.0.0.1:9/x.png>")
    _, console, _ = browse(page, tmp_path)
    assert "Content Security Policy" in console
    page.write_text("<img src=http://127.0.0.1:9/x.png>")
    _, _, asked = browse(page, tmp_path / "again")
    assert "http://127.0.0.1:9/x.png" in asked


@pytest.mark.parametrize("name", ["synthetic", "hostile"])
def test_a_phone_does_not_have_to_scroll_sideways(pages: dict[str, Path], name: str, tmp_path: Path) -> None:
    # A frame of a phone's width, since a headless window is at least 500 wide.
    frame = tmp_path / "frame.html"
    script = "onload = () => document.title = document.querySelector('iframe').contentDocument.documentElement.scrollWidth"
    frame.write_text(
        f'<iframe src="{pages[name].as_uri()}" width=390 height=800 style="border:0"></iframe><script>{script}</script>'
    )
    dom, _, _ = browse(frame, tmp_path, "--allow-file-access-from-files")
    found = re.search(r"<title>(\d+)</title>", dom)
    assert found
    assert int(found[1]) <= 390


# Nine arms, so that the table has a filter. Two means that print alike, two that are missing, a tie of two arms.
GAPS = {"b": 1.204, "a": 1.196, "tie 1": -3.0, "tie 2": -3.0, "c10": 20.0, "c9": None, "d": -0.5, "e": None, "f": 0.0}
ACT = """
onload = () => {
  const [ours, theirs] = [...document.querySelectorAll("iframe")].map((frame) => frame.contentDocument), found = {};
  const table = ours.querySelector("table"), heads = [...table.tHead.rows[0].cells];
  const names = () => [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
  const press = (column) => {
    heads[column].querySelector("button").click();
    return [heads.map((head) => head.getAttribute("aria-sort")), names()];
  };
  found.numbers = [press(1), press(1), press(1)];
  found.intervals = press(2);
  found.names = [press(0), press(0)];
  found.controls = [heads[0].querySelector("button").tabIndex, ours.querySelectorAll("button").length];
  const input = ours.querySelector("input"), status = ours.querySelector("output");
  const type = (text) => { input.value = text; input.dispatchEvent(new Event("input")); return [status.textContent, names()]; };
  found.filter = [type("tie"), type("-0.5"), type("C 20.0"), type("nothing"), type("").at(0), type("").at(1).length];
  const folds = () => [...ours.querySelectorAll("details")].map((fold) => fold.open);
  const view = ours.defaultView, print = [folds()];
  for (const event of ["beforeprint", "beforeprint", "afterprint"]) { view.dispatchEvent(new Event(event)); print.push(folds()); }
  found.print = print;
  found.theirs = [theirs.title, theirs.querySelectorAll("button").length > 0];
  document.title = JSON.stringify(found);
};
"""


def interval_of(gap: float | None) -> str:
    # The middle of these intervals has another order than their estimates.
    return "–" if gap is None else f"[{gap - 1:.1f}, {1000 - gap:.1f}]".replace("-", "−")


@pytest.fixture(scope="module")
def acted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What tables do when somebody acts on them, and the console: of a page, and of one that a foreign script was put into."""
    folder = tmp_path_factory.mktemp("acted")
    texts = [("–" if gap is None else f"{gap:.1f}".replace("-", "−"), gap) for gap in GAPS.values()]
    rows = tuple(
        row(name, Text(text, value=gap), Text(interval_of(gap), value=gap)) for name, (text, gap) in zip(GAPS, texts, strict=True)
    )
    table = Table("t", "T", columns("arm", "gap", "interval"), rows, pd.DataFrame())
    section = Section("s", "S", (table, Fold("closed", ("text",)), Fold("open", ("text",), opened=True)))
    page = to_html(Report("ours", (), (), (section,)), {})
    (folder / "ours.html").write_text(page)
    foreign = "<script>document.title = 'ran'</script><img src=x: onerror=\"document.title = 'ran'\">"
    (folder / "theirs.html").write_text(page.replace("<main>", f"<main>{foreign}"))
    frames = "".join(f"<iframe src={name}.html></iframe>" for name in ("ours", "theirs"))
    (folder / "frame.html").write_text(f"{frames}<script>{ACT}</script>")
    dom, console, _ = browse(folder / "frame.html", folder, "--allow-file-access-from-files")
    found = re.search(r"<title>(\{.*\})</title>", dom)
    assert found, console
    return json.loads(found[1]), console


def test_a_head_sorts_by_numbers_in_full_then_the_other_way_and_then_not(acted: tuple[dict[str, Any], str]) -> None:
    (down, falling), (up, rising), (off, original) = acted[0]["numbers"]
    assert [down, up, off] == [[None, "descending", None], [None, "ascending", None], [None, None, None]]
    assert falling == ["c10", "b", "a", "f", "d", "tie 1", "tie 2", "c9", "e"]
    assert rising == ["tie 1", "tie 2", "d", "f", "a", "b", "c10", "c9", "e"]
    assert original == list(GAPS)


def test_intervals_are_sorted_by_their_estimates_and_names_as_people_count(acted: tuple[dict[str, Any], str]) -> None:
    assert acted[0]["intervals"] == [[None, None, "descending"], ["c10", "b", "a", "f", "d", "tie 1", "tie 2", "c9", "e"]]
    (_, rising), (_, falling) = acted[0]["names"]
    assert rising == ["a", "b", "c9", "c10", "d", "e", "f", "tie 1", "tie 2"]
    assert falling == rising[::-1]
    assert acted[0]["controls"] == [0, 3]


def test_a_filter_keeps_the_rows_that_hold_all_words_and_counts_them(acted: tuple[dict[str, Any], str]) -> None:
    tie, minus, both, nothing, *cleared = acted[0]["filter"]
    assert tie == ["2 of 9 rows", ["tie 2", "tie 1"]]
    assert minus == ["1 of 9 rows", ["d"]]
    assert both == ["1 of 9 rows", ["c10"]]
    assert nothing == ["0 of 9 rows", []]
    assert cleared == ["", 9]


def test_folds_are_open_while_the_page_is_printed_and_then_as_before(acted: tuple[dict[str, Any], str]) -> None:
    assert acted[0]["print"] == [[False, True], [True, True], [True, True], [False, True]]


def test_a_foreign_script_does_not_run_beside_ours(acted: tuple[dict[str, Any], str]) -> None:
    found, console = acted
    assert found["theirs"] == ["ours", True]
    assert re.findall(r"Executing inline ([a-z ]+) violates", console) == ["script", "event handler"]
