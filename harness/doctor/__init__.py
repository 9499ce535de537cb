"""The command that says what is ready to run here, and what to run next: `__main__.py`.

    findings.py     asks tasks, LLMs, W&B and the GPU        task_check.py   judges the harness's own tasks without their imports
    next_steps.py   the three most useful commands           table.py        prints all of it

Nothing is changed, and no server is waited for longer than one question takes.
"""
