"""Writes a report (document.py) as HTML, Markdown, LaTeX, CSV, figures and text for a terminal."""
