"""The page in a real browser: no message on the console, no request, no scrolling sideways on a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.report.render.document import Report

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
    # A frame of a phone's width, since a headless window is at least 500 wide; it measures, since the page's own policy forbids scripts.
    frame = tmp_path / "frame.html"
    script = "onload = () => document.title = document.querySelector('iframe').contentDocument.documentElement.scrollWidth"
    frame.write_text(
        f'<iframe src="{pages[name].as_uri()}" width=390 height=800 style="border:0"></iframe><script>{script}</script>'
    )
    dom, _, _ = browse(frame, tmp_path, "--allow-file-access-from-files")
    found = re.search(r"<title>(\d+)</title>", dom)
    assert found
    assert int(found[1]) <= 390
