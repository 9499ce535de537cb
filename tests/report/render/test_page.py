"""The page, the Markdown, the LaTeX and the terminal show hostile text as text, and every number has its CSV."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from report.conftest import QUICK
from report.hostile import HOSTILE

from harness.report.assemble import build_report
from harness.report.compute import find
from harness.report.render.document import Answer, Figure, Report, Section, Table, columns, row
from harness.report.render.escape import clean, latex, markdown, width
from harness.report.render.latex import to_latex
from harness.report.render.latex_layout import lay_out
from harness.report.render.markdown import to_markdown
from harness.report.render.page import crowding, page_script, to_html
from harness.report.render.terminal import to_terminal
from harness.report.render.write import write_report
from harness.report.sources.records import read_study


class Seen(HTMLParser):
    """Collects tags, attributes and text; notes a tag that is not closed in order."""

    VOID = frozenset({"meta", "br", "col", "hr", "wbr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_hostile_text_makes_no_element_and_no_attribute(hostile_out: Path) -> None:
    seen = Seen((hostile_out / "report.html").read_text(encoding="utf-8"))
    assert not set(seen.tags) & {
        "iframe",
        "img",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "foreignobject",
        "image",
        "use2",
    }
    assert not [name for _, name, _ in seen.attributes if name.startswith("on")]
    assert not seen.open
    text = "".join(seen.texts)
    assert HOSTILE[0] in text
    assert HOSTILE[2] in text


@pytest.mark.parametrize("out", ["hostile_out", "synthetic_out"])
def test_nothing_on_the_page_leads_off_the_machine(out: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(out)
    seen = Seen(((folder if isinstance(folder, Path) else folder[1]) / "report.html").read_text(encoding="utf-8"))
    links = [value for tag, name, value in seen.attributes if name in ("href", "src", "xlink:href", "action", "data")]
    assert links
    assert all(re.fullmatch(r"#[\w.-]+|(csv|latex|figures)/[a-z0-9_]+\.(csv|tex|svg|png)", link) for link in links)
    styles = [value for _, name, value in seen.attributes if name == "style"]
    assert all("url(" not in style.replace("url(#", "") for style in styles)


@pytest.mark.parametrize("out", ["hostile_out", "synthetic_out"])
def test_the_policy_allows_no_request_and_one_script_whose_hash_is_that_of_the_script_on_the_page(
    out: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(out)
    page = ((folder if isinstance(folder, Path) else folder[1]) / "report.html").read_text(encoding="utf-8")
    (script,) = re.findall(r"<script[^>]*>(.*?)</script", page, re.DOTALL | re.IGNORECASE)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.split("; ")[:2] == ["default-src 'none'", f"script-src 'sha256-{digest}'"]
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "")
    assert page.index("Content-Security-Policy") < page.index("<style") < page.index("<script")
    assert script == page_script()


def test_the_script_is_short_and_makes_no_markup_of_a_text() -> None:
    script = page_script()
    assert len(script.splitlines()) < 120
    assert not re.search(r"HTML|eval|Function\(|import|fetch|XMLHttp|document\.write|location|setTimeout|\.src|\.href", script)


def test_without_the_script_no_control_stands_on_the_page(synthetic_out: tuple[Report, Path]) -> None:
    tags = Seen((synthetic_out[1] / "report.html").read_text(encoding="utf-8")).tags
    assert not {"button", "input", "output", "noscript"} & set(tags)
    assert tags[-1] == "script"


def test_a_table_is_crowded_on_paper_where_its_numbers_are_many() -> None:
    def with_columns(count: int) -> Table:
        return Table("t", "T", columns("arm", *["a_task"] * count), (row("a", *["93.5 ± 1.7"] * count),), pd.DataFrame())

    assert [crowding(with_columns(count)) for count in (6, 12, 20)] == ["", " crowded", " crowded sideways"]


def test_a_name_may_be_broken_at_its_joints_and_what_belongs_together_never() -> None:
    report = Report(
        "T", (), (), (Section("s", "S", (Table("t", "T", columns("a_b", "x"), (row("<i>_c+d", "1.0 ± 0.1"),), pd.DataFrame()),)),)
    )
    page = to_html(report, {})
    assert '<th scope="col">a_<wbr>b</th>' in page
    assert "<td>&lt;i&gt;_<wbr>c+<wbr>d</td>" in page
    assert "1.0\u00a0±\u00a00.1" in page


def test_every_id_is_there_once_and_every_anchor_leads_somewhere(synthetic_out: tuple[Report, Path]) -> None:
    seen = Seen((synthetic_out[1] / "report.html").read_text(encoding="utf-8"))
    ids = [value for _, name, value in seen.attributes if name == "id"]
    sections = [value for tag, name, value in seen.attributes if name == "id" and tag == "section"]
    assert len(sections) == len(set(sections))
    anchors = {value[1:] for tag, name, value in seen.attributes if tag == "a" and name == "href" and value.startswith("#")}
    assert anchors <= set(ids)


def test_what_was_found_comes_first_and_what_the_study_is_after_the_questions(synthetic_out: tuple[Report, Path]) -> None:
    report, out = synthetic_out
    page = (out / "report.html").read_text(encoding="utf-8")
    order = ['class="lead"', 'class="first"', "<nav", 'class="answers"', 'class="facts"', 'id="scores"', 'id="about"']
    assert [page.index(part) for part in order] == sorted(page.index(part) for part in order)
    first = page[page.index('class="first"') : page.index("<nav")]
    assert first.count('class="wide"><svg') == first.count('class="narrow"><svg') == 1
    assert report.lead
    text = (out / "report.md").read_text(encoding="utf-8")
    order = [markdown(report.lead.text), "figures/ranked.svg", "## In short", "## About this study", "## Scores"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_every_table_and_figure_has_its_files(synthetic_out: tuple[Report, Path]) -> None:
    report, out = synthetic_out
    for item in report.items():
        if isinstance(item, Table | Figure):
            frame = pd.read_csv(out / "csv" / f"{item.key}.csv")
            assert len(frame) == len(item.data)
            assert list(frame.columns) == list(map(str, item.data.columns))
        if isinstance(item, Table):
            assert r"\toprule" in (out / "latex" / f"{item.key}.tex").read_text()
        if isinstance(item, Figure):
            ElementTree.parse(out / "figures" / f"{item.key}.svg")
            assert (out / "figures" / f"{item.key}.png").read_bytes().startswith(b"\x89PNG")
    keys = [item.key for item in report.items() if isinstance(item, Table | Figure)]
    assert len(keys) == len(set(keys))


def test_every_number_of_the_main_table_is_in_its_csv(synthetic_out: tuple[Report, Path]) -> None:
    report, out = synthetic_out
    table = next(item for item in report.items() if isinstance(item, Table) and item.key == "scores")
    frame = pd.read_csv(out / "csv" / "scores.csv")
    means = {f"{value:.1f}" for value in frame["mean"]} | {f"{value:.1f}" for value in frame["average"].dropna()}
    spreads = {f"{value:.1f}" for value in frame["sd"]} | {f"{value:.1f}" for value in frame["average_sd"].dropna()}
    for texts in table.rows:
        for text in texts[1:5]:
            mean, _, spread = text.text.partition(" ± ")
            assert mean in means
            assert spread in spreads


def test_the_same_study_gives_the_same_files(synthetic_out: tuple[Report, Path], synthetic_folder: Path, tmp_path: Path) -> None:
    write_report(build_report(find(read_study(synthetic_folder), QUICK)), tmp_path)
    first = {path.relative_to(synthetic_out[1]): path.read_bytes() for path in synthetic_out[1].rglob("*") if path.is_file()}
    again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert first == again


def test_hostile_text_stays_text_in_markdown(hostile: Report) -> None:
    # Lines set in by four are code, which Markdown shows as it is.
    text = "\n".join(line for line in to_markdown(hostile).splitlines() if not line.startswith("    "))
    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    assert not re.search(r"(?<!\\)!\[y\]", text)
    assert "\x1b" not in text
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert all(not line.startswith("# head") for line in heads)


def test_hostile_text_cannot_move_a_terminals_cursor(hostile: Report) -> None:
    text = to_terminal(hostile, ("scores", "verdict", "coverage"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    text.encode()


def test_hostile_text_stays_text_in_latex(hostile: Report) -> None:
    for table in (item for item in hostile.items() if isinstance(item, Table)):
        body = to_latex(table)
        assert r"\input" not in body
        assert "\\textbackslash{}input" in body or "passwd" not in body
        rows = [line for line in body.splitlines() if line.endswith(r"\tabularnewline")]
        layout = lay_out(table)
        counts = {len(panel) - 1 for panel in layout.panels}
        assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == counts
        # Every dollar is escaped or one of a pair that this module wrote around a symbol.
        assert all(re.sub(r"\$(-|\\[a-zA-Z]+)\$", "", line).replace(r"\$", "").count("$") == 0 for line in rows)


def test_hostile_text_stays_text_in_the_csv(hostile_out: Path) -> None:
    frame = pd.read_csv(hostile_out / "csv" / "arms.csv")
    assert "'=HYPERLINK(1)" in set(frame["name"])


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_cleaned_alike_for_every_reader(text: str) -> None:
    assert clean(text).isprintable()
    assert "\n" not in markdown(text)
    assert "\n" not in latex(text)


def test_plain_names_are_left_alone() -> None:
    assert markdown("skopt_gp_startup10+default") == "skopt_gp_startup10+default"
    assert markdown("_x_ a*b") == r"\_x\_ a\*b"
    assert latex("skopt_gp") == r"skopt\_gp"
    assert clean("±0.9 → 1") == "±0.9 → 1"


def test_wide_characters_take_two_columns() -> None:
    assert width("名前") == 4
    assert width("e\u0301") == 1


def test_the_short_answers_stand_on_the_page(synthetic_out: tuple[Report, Path]) -> None:
    report, out = synthetic_out
    page = (out / "report.html").read_text(encoding="utf-8")
    for answer in report.answers:
        assert isinstance(answer, Answer)
        assert answer.question in page
        assert answer.word in page
