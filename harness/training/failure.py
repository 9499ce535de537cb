"""How a training failed: in words, and where in the user's own code."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from traceback import TracebackException
from types import CodeType, FrameType
from typing import Any

from harness.errors import printable
from harness.scrub import without_secrets
from harness.trial import MEASURES, Crash

ERROR_LENGTH = 300
TRACEBACK_BYTES = 8000
# A recursion without end leaves a thousand.
TRACEBACK_FRAMES = 60
YIELD = "write `yield Epoch(val_score_pct=...)`"

_HARNESS = f"{Path(__file__).absolute().parents[1]}{os.sep}"
_LIBRARIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}", f"{Path(os.__file__).parent}{os.sep}")


@dataclass(frozen=True)
class Failure:
    """How a training ended that did not end well. `crash`: where it raised; None for a process that died."""

    error: str
    crash: Crash | None = None


def failure_of(raised: BaseException, task: Any, made: Any = None) -> Failure:
    """Describe what a task's training raised. `made`: what its `train` returned, None when it did not get as far."""
    place = place_of(raised) or _suspended_at(made) or _defined_at(task)
    return Failure(describe(raised), Crash(place, traceback_of(raised)))


def describe(error: BaseException) -> str:
    """Return an exception in one line of bounded length, in which nothing can move a terminal's cursor or change its colours."""
    try:
        words = str(error)
    except Exception:
        words = "(it cannot say what)"
    if isinstance(error, TypeError) and "Epoch.__init__()" in words:
        words += f"; an Epoch takes {', '.join(MEASURES)}"
    text = printable(" ".join(f"{type(error).__name__}: {words}".split()))
    return text if len(text) <= ERROR_LENGTH else text[: ERROR_LENGTH - 3] + "..."


def located(error: BaseException) -> str:
    """Return what `describe` does, and the place in the user's own code where there is one."""
    place = place_of(error)
    return f"{describe(error)} ({place})" if place else describe(error)


def place_of(raised: BaseException) -> str:
    """Return `file:line` of the last frame of the user's own that an exception came through; nothing when there is none."""
    place, trace = "", raised.__traceback__
    while trace is not None:
        if _is_own(trace.tb_frame.f_code):
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def traceback_of(raised: BaseException) -> str:
    """Return an exception's traceback as text: its end, at most TRACEBACK_BYTES, without secrets and without this package's frames."""
    try:
        told = TracebackException(type(raised), raised, raised.__traceback__, limit=-TRACEBACK_FRAMES, compact=True)
        _leave_out_ours(told)
        text = "".join(told.format())
    # An exception may be of a class that cannot be looked at.
    except Exception:
        return ""
    # Before it is cut: half a secret could not be told.
    text = without_secrets(text[-4 * TRACEBACK_BYTES :])
    text = "\n".join(printable(line) for line in text.splitlines())
    return text.encode(errors="backslashreplace")[-TRACEBACK_BYTES:].decode(errors="ignore")


def _leave_out_ours(told: TracebackException | None, depth: int = 0) -> None:
    """Drop this package's frames: which of its lines an import goes through depends on what was imported before."""
    if told is None or depth > TRACEBACK_FRAMES:
        return
    told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(f"{_HARNESS}training{os.sep}")]
    for cause in (told.__cause__, told.__context__):
        _leave_out_ours(cause, depth + 1)


def _is_own(code: CodeType) -> bool:
    """Say whether code is neither the harness's nor a library's. The tasks that come with the harness count as somebody's own."""
    file = code.co_filename
    if file.startswith(f"{_HARNESS}tasks{os.sep}"):
        return True
    return not file.startswith((_HARNESS, "<")) and not any(folder in file for folder in _LIBRARIES)


def _suspended_at(made: Any) -> str:
    """Return where a generator waits at a `yield`, and of those that it yields from the innermost that is the user's own."""
    place = ""
    while isinstance(made, Generator):
        frame: FrameType | None = getattr(made, "gi_frame", None)
        if frame is not None and _is_own(frame.f_code):
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        made = getattr(made, "gi_yieldfrom", None)
    return place


def _defined_at(task: Any) -> str:
    """Return where the function begins that a task trains with."""
    code = getattr(source_of(task), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) and _is_own(code) else ""


def source_of(task: Any) -> Any:
    """Return the function of the user's own that a task trains with: its `train`, or what `harness.tasks_from` made it of."""
    train = getattr(task, "train", None)
    source = getattr(task, "source", None)
    code = getattr(train, "__code__", None)
    return source if callable(source) and isinstance(code, CodeType) and not _is_own(code) else train


def begun(task: Any, train: Callable[[], Any]) -> Iterator[Any]:
    """Call a task's training, and return the iterator over its epochs. Raises TypeError when it returned something else."""
    made = train()
    try:
        if not isinstance(made, str | bytes | Mapping):
            return iter(made)
    except TypeError:
        pass
    name = _name(task)
    if made is None:
        raise TypeError(f"{name} returned nothing: {YIELD} in it, once for each epoch")
    raise TypeError(f"{name} returned {_a(made)}: {YIELD} where it says `return`, once for each epoch")


def no_epoch(task: Any, made: Iterator[Any], value: Any) -> TypeError:
    """Return the error for what is not an Epoch among those of a training."""
    verb = "yielded" if isinstance(made, Generator) else "returned, among its epochs,"
    return TypeError(f"{_name(task)} {verb} {_a(value)}: {YIELD}")


def no_number(number: int, name: str, value: Any) -> TypeError:
    """Return the error for a value of an epoch that is no number."""
    shown = reprlib.repr(value) if value is None or isinstance(value, str | bytes | list | tuple | dict) else _a(value)
    return TypeError(f"epoch {number}: {name} is {shown}: give a number, as in `yield Epoch(val_score_pct=93.2)`")


def _name(task: Any) -> str:
    return str(getattr(source_of(task), "__name__", "train"))


def _a(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[:1].lower() in 'aeiou' or name == 'ndarray' else 'a'} {name}"
