"""From the records of a study to tables, figures, a page and verdicts: `python -m harness.report STUDY`. See README.md here.

No module here knows a task or a method: the manifests of its cells say what an arm is.
"""
