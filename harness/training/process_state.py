"""What code can change in a process for everybody in it: how to read it, and how to put it back.

A state is plain data, part -> name -> value. A part whose module nobody has imported is left out of it.
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
from typing import Any, TypeAlias

Values: TypeAlias = Mapping[str, Any]
State: TypeAlias = dict[str, Values]
# The value of a name that is not there.
GONE: Any = object()


@dataclass(frozen=True)
class Part:
    """One part of the state. `module`: the part is there once that is imported; both functions are given it."""

    module: str
    read: Callable[[Any], dict[str, Any]]
    write: Callable[[Any, Values], None]


def read(known: Iterable[str] | None = None) -> State:
    """Return the state of this process; with `known`, of these parts only."""
    found: State = {}
    for name in PARTS if known is None else known:
        part = PARTS[name]
        module = imported(part.module)
        if module is not None:
            found[name] = part.read(module)
    return found


def write(changes: Mapping[str, Values]) -> None:
    """Set what `changes` holds, and nothing else."""
    for name, values in changes.items():
        module = imported(PARTS[name].module)
        if module is not None:
            PARTS[name].write(module, values)


def changes(before: Mapping[str, Values], after: Mapping[str, Values]) -> State:
    """Return what must be set to come from one state to another, in the parts that both have."""
    found: State = {}
    for name, new in after.items():
        old = before.get(name, new)
        if old != new:
            found[name] = {key: new.get(key, GONE) for key in (*old, *new) if old.get(key, GONE) != new.get(key, GONE)}
    return found


_whole: dict[str, ModuleType] = {}


def imported(name: str) -> ModuleType | None:
    """Return a module that is imported already, and wholly; None when it is not."""
    module = sys.modules.get(name)
    if module is None or module is _whole.get(name):
        return module
    # A lazy one (W&B makes some) is only a name yet, and any look into it would import it.
    if "Lazy" in type(module).__name__ or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return None
    _whole[name] = module
    return module


def _read_folder(_: Any) -> dict[str, Any]:
    try:
        return {"folder": os.getcwd()}  # noqa: PTH109 - a path object costs more than the call
    except FileNotFoundError:  # somebody removed it
        return {"folder": None}


def _write_folder(_: Any, values: Values) -> None:
    if values["folder"] is not None:
        with contextlib.suppress(OSError):
            os.chdir(values["folder"])


def _read_environment(_: Any) -> dict[str, Any]:
    # The mapping behind it: a copy by the public way takes forty microseconds, twice a trial.
    held: dict[Any, Any] = vars(os.environ)["_data"]
    return held.copy()


def _write_environment(_: Any, values: Values) -> None:
    name: Any
    for name, value in values.items():
        if value is not GONE:
            os.environb[name] = value
        elif not name.startswith(b"KMP_"):  # what a library told the OpenMP that all share, once, as it was imported
            os.environb.pop(name, None)


_SYS_LISTS = ("path", "argv")
_SYS_OBJECTS = ("stdin", "stdout", "stderr", "displayhook", "excepthook", "unraisablehook")


def _read_sys(_: Any) -> dict[str, Any]:
    state: dict[str, Any] = {name: getattr(sys, name)[:] for name in _SYS_LISTS}
    for name in _SYS_OBJECTS:
        state[name] = getattr(sys, name)
    state["recursion"] = sys.getrecursionlimit()
    return state


def _write_sys(_: Any, values: Values) -> None:
    for name, value in values.items():
        if name == "recursion":
            sys.setrecursionlimit(value)
        elif name in _SYS_LISTS:
            getattr(sys, name)[:] = value
        else:
            setattr(sys, name, value)


_HANDLED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGCONT", "SIGQUIT")
_NUMBERS = {name: int(getattr(signal, name)) for name in _HANDLED}


def _read_signals(module: Any) -> dict[str, Any]:
    # The functions behind the module's: those make enumerations of what these return, a microsecond each.
    state: dict[str, Any] = {name: module.getsignal(number) for name, number in _NUMBERS.items()}
    state["blocked"] = module.pthread_sigmask(signal.SIG_BLOCK, ())
    return state


def _write_signals(_: Any, values: Values) -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    if values.get("SIGALRM") == signal.SIG_DFL:  # with which an alarm that still runs would end the process
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    for name, handler in values.items():
        if name in _NUMBERS and handler is not None:  # None: not from Python
            signal.signal(_NUMBERS[name], handler)
    if "blocked" in values:
        signal.pthread_sigmask(signal.SIG_SETMASK, values["blocked"])


def _read_warnings(_: Any) -> dict[str, Any]:
    return {"filters": warnings.filters[:], "show": warnings.showwarning}


def _write_warnings(_: Any, values: Values) -> None:
    if "show" in values:
        warnings.showwarning = values["show"]
    if "filters" in values:
        warnings.filters[:] = values["filters"]  # type: ignore[index] # a list, whatever the stub says
        getattr(warnings, "_filters_mutated", lambda: None)()  # else Python goes on with what it remembers of the others


def _read_logging(logging: Any) -> dict[str, Any]:
    return {"level": logging.root.level, "handlers": logging.root.handlers[:], "disabled": logging.root.manager.disable}


def _write_logging(logging: Any, values: Values) -> None:
    if "level" in values:
        logging.root.setLevel(values["level"])
    if "handlers" in values:
        logging.root.handlers[:] = values["handlers"]
    if "disabled" in values:
        logging.disable(values["disabled"])


def _read_locale(locale: Any) -> dict[str, Any]:
    return {"all": locale.setlocale(locale.LC_ALL)}


def _write_locale(locale: Any, values: Values) -> None:
    locale.setlocale(locale.LC_ALL, values["all"])


def _read_gc(gc: Any) -> dict[str, Any]:
    return {"enabled": gc.isenabled(), "threshold": gc.get_threshold()}


def _write_gc(gc: Any, values: Values) -> None:
    if "enabled" in values:
        (gc.enable if values["enabled"] else gc.disable)()
    if "threshold" in values:
        gc.set_threshold(*values["threshold"])


def _read_start_method(multiprocessing: Any) -> dict[str, Any]:
    return {"method": multiprocessing.get_start_method(allow_none=True)}


def _write_start_method(multiprocessing: Any, values: Values) -> None:
    multiprocessing.set_start_method(values["method"], force=True)


def _read_numpy(numpy: Any) -> dict[str, Any]:
    return {**numpy.geterr(), "call": numpy.geterrcall(), "print": numpy.get_printoptions()}


def _write_numpy(numpy: Any, values: Values) -> None:
    modes = {name: mode for name, mode in values.items() if name not in ("call", "print")}
    if "call" in values:
        numpy.seterrcall(values["call"])
    if modes:
        numpy.seterr(**modes)
    if "print" in values:
        numpy.set_printoptions(**values["print"])


def _read_torch(torch: Any) -> dict[str, Any]:
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


def _write_torch(torch: Any, values: Values) -> None:
    setters: dict[str, Callable[[Any], Any]] = {
        "grad": torch.set_grad_enabled,
        "dtype": torch.set_default_dtype,
        # To set the processor would have every new tensor pass a function of Python's.
        "device": lambda device: torch.set_default_device(None if device.type == "cpu" else device),
        "threads": torch.set_num_threads,
        "deterministic": lambda modes: torch.use_deterministic_algorithms(modes[0], warn_only=modes[1]),
        "anomaly": torch.autograd.set_detect_anomaly,
        "benchmark": lambda on: setattr(torch.backends.cudnn, "benchmark", on),
        "cudnn": lambda on: setattr(torch.backends.cudnn, "deterministic", on),
    }
    for name, value in values.items():
        setters[name](value)


def _read_sklearn(sklearn: Any) -> dict[str, Any]:
    found: dict[str, Any] = sklearn.get_config()
    return found


def _write_sklearn(sklearn: Any, values: Values) -> None:
    sklearn.set_config(**values)


def _read_resolvers(omegaconf: Any) -> dict[str, Any]:
    return dict(omegaconf.BaseContainer._resolvers)


def _write_resolvers(omegaconf: Any, values: Values) -> None:
    held = omegaconf.BaseContainer._resolvers
    for name, resolver in values.items():
        if resolver is GONE:
            held.pop(name, None)
        else:
            held[name] = resolver


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
