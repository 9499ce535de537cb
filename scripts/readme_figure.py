"""Draw the picture of the README, `.github/reproduce.svg`, from the main study of `make reproduce`.

    python scripts/readme_figure.py [runs/reproduce-table] [--out FILE.svg]

It is the first figure of the study's page on a white ground, and says above it from which command and which day it is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.errors import HarnessError, SettingsError
from harness.report.analysis.options import Options
from harness.report.compute import find
from harness.report.render.plot_style import style, svg_of
from harness.report.sections.leading.lead import lead_of
from harness.report.sources.records import read_study

ROOT = Path(__file__).resolve().parents[1]


def picture(folder: Path) -> str:
    """Return the SVG. Raises HarnessError for a study without the figure."""
    found = find(read_study(folder), Options())
    lead = lead_of(found)
    if not lead.figures:
        raise SettingsError(f"{folder}: nothing is compared with random search there")
    day = max(str(cell.manifest.get("created", ""))[:10] for cell in found.study.cells)
    seeds, tasks = found.frames.done["seed"].nunique(), found.frames.done["task"].nunique()
    with style():
        canvas = lead.figures[0].draw()
        canvas.set_facecolor("white")
        said = f"make reproduce, {day}: {tasks} tasks, {seeds} seeds; test score less that of random search from the same start"
        canvas.suptitle(said, x=0.01, ha="left", size=8)
        if (layout := canvas.get_layout_engine()) is not None:
            layout.execute(canvas)
            canvas.set_layout_engine("none")
        return svg_of(canvas, "readme")


def main() -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", type=Path, default=ROOT / "runs" / "reproduce-table", help="the folder of the study")
    parser.add_argument("--out", type=Path, default=ROOT / ".github" / "reproduce.svg", help="the file to write")
    given = parser.parse_args()
    try:
        given.out.write_text(picture(given.study), encoding="utf-8")
    except (HarnessError, OSError) as error:
        print(f"readme_figure: {error}", file=sys.stderr)
        return 2
    print(f"Written: {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
