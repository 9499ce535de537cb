"""From the records of a study to tables, figures, a page and a verdict: `python -m harness.report STUDY`.

    records, W&B files, W&B online -> StudyData (data.py) -> frames (frames.py) -> sections -> Markdown, HTML, LaTeX, CSV

Nothing here knows a task or a method: what an arm is, is read from the manifests of its cells.
"""
