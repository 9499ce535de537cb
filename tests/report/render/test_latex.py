"""Every table goes through LaTeX, whatever stands in it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PDFLATEX = shutil.which("pdflatex")
PAGE = r"""\documentclass{article}\usepackage{booktabs,textcomp}\usepackage[landscape,margin=1cm]{geometry}
\begin{document}
%s
\end{document}
"""


@pytest.mark.skipif(PDFLATEX is None, reason="no pdflatex here: apt-get install texlive-latex-recommended")
def test_hostile_tables_are_set_without_an_error(hostile_out: Path, tmp_path: Path) -> None:
    tables = sorted((hostile_out / "latex").glob("*.tex"))
    assert len(tables) > 10
    (tmp_path / "all.tex").write_text(PAGE % "\n".join(f"\\input{{{table}}}\\clearpage" for table in tables))
    command = [str(PDFLATEX), "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "all.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert "Undefined" not in ran.stdout
