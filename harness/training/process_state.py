"""Read and restore what code can change for the whole process: working folder, environment, signal handlers, library settings.

A state maps part -> name -> value. It leaves out a part whose module is not imported yet.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

# A part's values are what its module holds: handlers, streams, numbers. Each part reads and writes its own, and nothing else looks inside.
Values: TypeAlias = Mapping[str, Any]
State: TypeAlias = dict[str, Values]
T = TypeVar("T")
# The value of a name that a state does not hold.
ABSENT = object()


@dataclass(frozen=True)
class Part:
    """One part of the state. It exists once `module` is imported; both functions get that module."""

    module: str
    read: Callable[[ModuleType], Values]
    write: Callable[[ModuleType, Values], None]


def read(known: Iterable[str] | None = None) -> State:
    """Return the state of this process; with `known`, only these parts of it."""
    found: State = {}
    for name in PARTS if known is None else known:
        part = PARTS[name]
        module = imported(part.module)
        if module is not None:
            found[name] = part.read(module)
    return found


def write(changes: Mapping[str, Values]) -> None:
    """Set the values that `changes` holds, and no others."""
    for name, values in changes.items():
        module = imported(PARTS[name].module)
        if module is not None:
            PARTS[name].write(module, values)


def changes(before: Mapping[str, Values], after: Mapping[str, Values]) -> State:
    """Return the values to set to get from state `before` to state `after`, for the parts that both have."""
    found: State = {}
    for name, new in after.items():
        old = before.get(name, new)
        if old != new:
            found[name] = {key: new.get(key, ABSENT) for key in (*old, *new) if old.get(key, ABSENT) != new.get(key, ABSENT)}
    return found


def rebased(changed: Mapping[str, Values], before: Mapping[str, Values], base: Mapping[str, Values]) -> State:
    """Return changes that were made to `before` as changes to `base`.

    A list (warning filters, sys.path, log handlers) has several authors, so of a list only the entries that came or went are changed. Any
    other value is taken as it is.
    """
    return {
        part: {
            name: _with_changes(before[part][name], value, base[part][name]) if isinstance(value, list) else value
            for name, value in values.items()
        }
        for part, values in changed.items()
    }


def _with_changes(before: list[T], after: list[T], base: list[T]) -> list[T]:
    """Return `base` with the entries that came, at the end (front or back) to which they came, and without those that went."""
    new = [entry for entry in after if entry not in before]
    first = next((place for place, entry in enumerate(after) if entry in before), len(after))
    front = [entry for entry in after[:first] if entry in new and entry not in base]
    back = [entry for entry in after[first:] if entry in new and entry not in base]
    gone = [entry for entry in before if entry not in after]
    return [*front, *(entry for entry in base if entry not in gone), *back]


_completely_imported: dict[str, ModuleType] = {}


def imported(name: str) -> ModuleType | None:
    """Return a module whose import has finished; None when it has not begun or is still running."""
    module = sys.modules.get(name)
    if module is None or module is _completely_imported.get(name):
        return module
    # A lazy module (W&B makes some) is only a placeholder, and reading any attribute of it would import it.
    if "Lazy" in type(module).__name__ or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return None
    _completely_imported[name] = module
    return module


def _read_folder(_: ModuleType) -> dict[str, object]:
    try:
        return {"folder": os.getcwd()}  # noqa: PTH109 - a path object costs more than the call
    except FileNotFoundError:  # the folder was removed
        return {"folder": None}


def _write_folder(_: ModuleType, values: Values) -> None:
    if values["folder"] is not None:
        with contextlib.suppress(OSError):
            os.chdir(values["folder"])


def _read_environment(_: ModuleType) -> dict[str, object]:
    # os.environ keeps bytes in `_data`. Copying os.environ itself takes forty microseconds, and this runs twice per trial.
    variables: dict[str, object] = vars(os.environ)["_data"]
    return variables.copy()


def _write_environment(_: ModuleType, values: Values) -> None:
    variables: Mapping[Any, Any] = values  # bytes to bytes, see `_read_environment`
    for name, value in variables.items():
        if value is not ABSENT:
            os.environb[name] = value
        # KMP_...: a library sets these once, at its import, for the OpenMP runtime that all libraries share.
        elif not name.startswith(b"KMP_"):
            os.environb.pop(name, None)


_SYS_LISTS = ("path", "argv")
_SYS_OBJECTS = ("stdin", "stdout", "stderr", "displayhook", "excepthook", "unraisablehook")


def _read_sys(_: ModuleType) -> dict[str, object]:
    state: dict[str, object] = {name: getattr(sys, name)[:] for name in _SYS_LISTS}
    for name in _SYS_OBJECTS:
        state[name] = getattr(sys, name)
    state["recursion"] = sys.getrecursionlimit()
    return state


def _write_sys(_: ModuleType, values: Values) -> None:
    for name, value in values.items():
        if name == "recursion":
            sys.setrecursionlimit(value)
        elif name in _SYS_LISTS:
            getattr(sys, name)[:] = value
        else:
            setattr(sys, name, value)


_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGCONT", "SIGQUIT")
_NUMBERS = {name: int(getattr(signal, name)) for name in _HANDLED}


def _read_signals(module: ModuleType) -> dict[str, object]:
    # `_signal`, because the functions of `signal` convert each result to an enumeration, which takes a microsecond.
    state: dict[str, object] = {name: module.getsignal(number) for name, number in _NUMBERS.items()}
    state["blocked"] = module.pthread_sigmask(signal.SIG_BLOCK, ())
    return state


def _write_signals(_: ModuleType, values: Values) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if values.get("SIGALRM") == signal.SIG_DFL:  # an alarm that is still set would end the process
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    for name, handler in values.items():
        if name in _NUMBERS and handler is not None:  # None: it was not set from Python
            signal.signal(_NUMBERS[name], handler)
    if "blocked" in values:
        signal.pthread_sigmask(signal.SIG_SETMASK, values["blocked"])


def _read_warnings(_: ModuleType) -> dict[str, object]:
    return {"filters": warnings.filters[:], "show": warnings.showwarning}


def _write_warnings(_: ModuleType, values: Values) -> None:
    if "show" in values:
        warnings.showwarning = values["show"]
    if "filters" in values:
        warnings.filters[:] = values["filters"]  # type: ignore[index] # a list, whatever the stub says
        getattr(warnings, "_filters_mutated", lambda: None)()  # or Python would go on using its cache of the old filters


def _read_logging(logging: ModuleType) -> dict[str, object]:
    return {"level": logging.root.level, "handlers": logging.root.handlers[:], "disabled": logging.root.manager.disable}


def _write_logging(logging: ModuleType, values: Values) -> None:
    if "level" in values:
        logging.root.setLevel(values["level"])
    if "handlers" in values:
        logging.root.handlers[:] = values["handlers"]
    if "disabled" in values:
        logging.disable(values["disabled"])


def _read_locale(locale: ModuleType) -> dict[str, object]:
    return {"all": locale.setlocale(locale.LC_ALL)}


def _write_locale(locale: ModuleType, values: Values) -> None:
    locale.setlocale(locale.LC_ALL, values["all"])


def _read_gc(gc: ModuleType) -> dict[str, object]:
    return {"enabled": gc.isenabled(), "threshold": gc.get_threshold()}


def _write_gc(gc: ModuleType, values: Values) -> None:
    if "enabled" in values:
        (gc.enable if values["enabled"] else gc.disable)()
    if "threshold" in values:
        gc.set_threshold(*values["threshold"])


def _read_start_method(multiprocessing: ModuleType) -> dict[str, object]:
    return {"method": multiprocessing.get_start_method(allow_none=True)}


def _write_start_method(multiprocessing: ModuleType, values: Values) -> None:
    multiprocessing.set_start_method(values["method"], force=True)


def _read_numpy(numpy: ModuleType) -> dict[str, object]:
    return {**numpy.geterr(), "call": numpy.geterrcall(), "print": numpy.get_printoptions()}


def _write_numpy(numpy: ModuleType, values: Values) -> None:
    modes = {name: mode for name, mode in values.items() if name not in ("call", "print")}
    if "call" in values:
        numpy.seterrcall(values["call"])
    if modes:
        numpy.seterr(**modes)
    if "print" in values:
        numpy.set_printoptions(**values["print"])


def _read_torch(torch: ModuleType) -> dict[str, object]:
    return {
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        "anomaly": torch.is_anomaly_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "cudnn": torch.backends.cudnn.deterministic,
    }


def _write_torch(torch: ModuleType, values: Values) -> None:
    setters: dict[str, Callable[[Any], object]] = {
        "grad": torch.set_grad_enabled,
        "dtype": torch.set_default_dtype,
        # None for the CPU: with a device set, every new tensor goes through a Python function.
        "device": lambda device: torch.set_default_device(None if device.type == "cpu" else device),
        "threads": torch.set_num_threads,
        "deterministic": lambda modes: torch.use_deterministic_algorithms(modes[0], warn_only=modes[1]),
        "anomaly": torch.autograd.set_detect_anomaly,
        "benchmark": lambda on: setattr(torch.backends.cudnn, "benchmark", on),
        "cudnn": lambda on: setattr(torch.backends.cudnn, "deterministic", on),
    }
    for name, value in values.items():
        setters[name](value)


def _read_sklearn(sklearn: ModuleType) -> dict[str, object]:
    found: dict[str, object] = sklearn.get_config()
    return found


def _write_sklearn(sklearn: ModuleType, values: Values) -> None:
    sklearn.set_config(**values)


def _read_resolvers(omegaconf: ModuleType) -> dict[str, object]:
    return dict(omegaconf.BaseContainer._resolvers)


def _write_resolvers(omegaconf: ModuleType, values: Values) -> None:
    resolvers = omegaconf.BaseContainer._resolvers
    for name, resolver in values.items():
        if resolver is ABSENT:
            resolvers.pop(name, None)
        else:
            resolvers[name] = resolver


PARTS = {
    "folder": Part("os", _read_folder, _write_folder),
    "environment": Part("os", _read_environment, _write_environment),
    "sys": Part("sys", _read_sys, _write_sys),
    "signals": Part("_signal", _read_signals, _write_signals),
    "warnings": Part("warnings", _read_warnings, _write_warnings),
    "logging": Part("logging", _read_logging, _write_logging),
    "locale": Part("locale", _read_locale, _write_locale),
    "gc": Part("gc", _read_gc, _write_gc),
    "start method": Part("multiprocessing", _read_start_method, _write_start_method),
    "numpy": Part("numpy", _read_numpy, _write_numpy),
    "torch": Part("torch", _read_torch, _write_torch),
    "sklearn": Part("sklearn", _read_sklearn, _write_sklearn),
    "resolvers": Part("omegaconf.basecontainer", _read_resolvers, _write_resolvers),
}
