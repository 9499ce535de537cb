"""`python -m harness.advise task=NAME`: race tuning methods on one task, and say which one to use there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from harness.advise.request import Request, help_text, parsed
from harness.cli.ending import end_process, run_to_end
from harness.config.overrides import HELP_FLAGS
from harness.console import say
from harness.environment import one_thread
from harness.errors import HarnessError, shown

# The key of the section of the report that is printed.
ADVICE = "advice"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0 when advice was given, also that nothing can be told; 1 when no method could run; 2 for a mistake; 130 after Ctrl-C and the like.
    """
    return run_to_end("harness.advise", lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(arguments: list[str]) -> tuple[int, str]:
    """Run the command; return its exit status, and what there is to complain about."""
    started = time.monotonic()
    one_thread()
    if not arguments or any(flag in HELP_FLAGS for flag in arguments):
        print(help_text(), end="")
        return 0, ""
    try:
        _advise(parsed(arguments), started)
    except HarnessError as error:
        return error.exit_status, str(error)
    except BrokenPipeError:  # the reader of the advice has ended (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        from harness.cli.messages import one_line  # noqa: PLC0415 - only a mistake needs it

        text = one_line(error, arguments)
        if text is None:
            raise
        return 2, text.replace("(several values make several jobs: add -m)", "(a race takes one value of it)")
    return 0, ""


def _advise(request: Request, started: float) -> None:
    """Race, print the advice and write the page. Raises HarnessError, and Hydra's own errors."""
    # After the command line: a mistake in it must not wait for them.
    from harness.advise.candidates import candidates_of, refuse_missing_folders  # noqa: PLC0415
    from harness.advise.racing import Racing, calls_ahead, prepared  # noqa: PLC0415
    from harness.advise.time_limit import TimeIsUp, time_limit  # noqa: PLC0415
    from harness.run.study import study_folder  # noqa: PLC0415
    from harness.store.race import Race  # noqa: PLC0415

    refuse_missing_folders(request.folders)
    candidates = candidates_of(request)
    study = study_folder(candidates[0].settings)
    baseline = next((c.arm for c in candidates if c.settings.optimizer.role == "default"), "")
    race = Race(candidates[0].settings.task.name, tuple(c.arm for c in candidates), baseline)
    ready = prepared(candidates, study, race)
    for line in calls_ahead(ready, study):
        say(line)
    ends_at = None if request.seconds is None else started + request.seconds
    racing = Racing(study, race, ready, request.seeds, ends_at)
    try:
        with time_limit(None if ends_at is None else ends_at - time.monotonic()):
            racing.run()
    except TimeIsUp:
        say(f"the time of seconds={request.seconds:g} is up; the same command goes on from here")
    tell(study, page=request.page)


def tell(study: Path, *, page: bool) -> None:
    """Print the advice that a study's records give, and with `page` write its page. Raises RecordError, StorageError."""
    # Pandas and Matplotlib take a second: no mistake and no race should wait for them.
    from harness.report.analysis.options import Options  # noqa: PLC0415
    from harness.report.assemble import build_report  # noqa: PLC0415
    from harness.report.compute import find  # noqa: PLC0415
    from harness.report.render.terminal import to_terminal  # noqa: PLC0415
    from harness.report.render.write import write_report  # noqa: PLC0415
    from harness.report.sources.records import read_study  # noqa: PLC0415

    report = build_report(find(read_study(study), Options()))
    if not any(section.key == ADVICE for section in report.sections):
        say("nothing is known yet, since no cell is finished")
        return
    # The answers repeat the section for those who read the page.
    print(to_terminal(replace(report, answers=()), [ADVICE]), flush=True)
    print(f"records: {shown(str(study))}", flush=True)
    if page:
        out = study / "report"
        write_report(report, out)
        print(f"page:    {shown(str(out / 'report.html'))}", flush=True)


def command() -> NoReturn:
    """Run the command of this process, and end it. Raises SystemExit."""
    end_process(main)


if __name__ == "__main__":
    command()
