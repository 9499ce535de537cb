"""Isolate foreign code: every call of a task's constructor, its trainings or its `prepare` goes through this module.

A process has one working folder, one environment, one `wandb.run`. Foreign code may change them, with these rules:

- The harness and the methods do not see the changes. They are undone when the call returns (`process_state.py` lists what is undone).
- Every training starts from the same state, whatever the training before it changed. That state is the harness's own, plus what the
  task's constructor set. The global random generators of Python, NumPy and torch are seeded, so that a training that draws from them
  can be repeated.
- Python imports a module once per process. So what an import sets stays set for all foreign code that runs later.
- Foreign code does not see the harness's Hydra application, W&B session or command line.

Some effects outlive a call and cannot be undone: threads, open files, `torch.set_num_interop_threads`. With `limits.trial_seconds` set,
trainings run in a child process instead.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import random
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from harness.seeding import keyed_seed
from harness.training import process_state
from harness.training.process_state import State, changes, imported, rebased

if TYPE_CHECKING:
    import logging

# The values that imports by foreign code set.
_by_imports: dict[str, dict[str, Any]] = {}
# Modules that foreign code tried to import and that are not installed. Some libraries try again and again (OmegaConf tries attr for every
# value).
_missing_modules: set[str] = set()
# The W&B session of foreign code. Starting one takes half a second, so it is kept for the next call.
_wandb_session: object = None


class Isolation:
    """Isolates the code of one task. What its constructor sets, in `building`, stays set for the trainings of this task only."""

    def __init__(self) -> None:
        self._own: State = {}
        self._own_before: State = {}

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Isolate a block that imports the task and constructs it."""
        with _Isolated({}, {}, seed=0) as apart:
            apart.at_start = process_state.read()
            yield
            self._own_before = apart.at_start
            self._own = changes(self._own_before, process_state.read(self._own_before))

    @contextlib.contextmanager
    def training(self, seed: int) -> Iterator[None]:
        """Isolate a block that runs one training."""
        with _Isolated(self._own, self._own_before, seed=seed):
            before = _log_handlers()
            try:
                yield
            finally:
                for handler in _log_handlers():
                    if handler not in before and handler not in _by_imports.get("logging", {}).get("handlers", ()):
                        handler.close()  # or each trial would leave a log file open


def _log_handlers() -> list[logging.Handler]:
    module = imported("logging")
    return [] if module is None else module.root.handlers[:]


class _Isolated:
    """Isolates one block.

    While the block runs, this object replaces Python's `__import__`, to distinguish what an import sets from what the calling code sets.
    `at_start` is the state at the start of the block; what imports set is added to it. When foreign code imports a library that was not
    imported before, its state at the end of that import is added to `at_start` and to the state to restore.

    One class instead of several context managers, because it runs twice per trial and must be fast.
    """

    def __init__(self, own: State, own_before: State, *, seed: int) -> None:
        self.at_start: State = {}
        self._own, self._own_before = own, own_before
        self._generators = _Generators(seed)
        self._thread = threading.get_ident()
        self._importing = False

    def __enter__(self) -> _Isolated:
        self._outside = process_state.read()
        self._import = builtins.__import__
        self._hydra, self._wandb = _hide_hydra(), _hide_wandb()
        self._silenced = False
        try:
            process_state.write({"sys": {"argv": ["harness"]}, **_by_imports})
            process_state.write(rebased(self._own, self._own_before, process_state.read(self._own)))
            self._add_new_libraries()
            builtins.__import__ = self
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._import
        try:
            _restore_wandb(self._wandb)
        finally:
            if self._silenced:
                os.environ.pop("WANDB_SILENT", None)
            _restore_hydra(self._hydra)
            self._generators.restore()
            process_state.write(changes(process_state.read(self._outside), self._outside))

    def __call__(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if _is_loaded(name, globals, fromlist, level) or name in _missing_modules or threading.get_ident() != self._thread:
            return self._import(name, globals, locals, fromlist or (), level)
        if self._importing:
            try:
                return self._import(name, globals, locals, fromlist or (), level)
            finally:
                self._add_new_libraries()
        self._importing = True
        before = process_state.read()
        try:
            return self._import(name, globals, locals, fromlist or (), level)
        except ModuleNotFoundError as error:
            if error.name == name:
                _missing_modules.add(name)
            raise
        finally:
            self._importing = False
            self._add_new_libraries()
            before = {**self._outside, **before}
            self._keep_import_changes(changes(before, process_state.read()), before)

    def _add_new_libraries(self) -> None:
        """Read the state of libraries that have been imported since the last call, and seed their generators."""
        new = [name for name, part in process_state.PARTS.items() if name not in self._outside and imported(part.module)]
        if new:
            state = process_state.read(new)
            self._outside.update(state)
            self.at_start.update(state)
        self._generators.seed_new()
        if "wandb" in sys.modules and "WANDB_SILENT" not in os.environ:
            # W&B writes fifteen lines per run, and so per trial. A user who wants them sets the variable.
            os.environ["WANDB_SILENT"] = "true"
            self._silenced = True

    def _keep_import_changes(self, found: State, before: State) -> None:
        kept = {part: {**self._outside[part], **_by_imports.get(part, {})} for part in found}
        for part, values in rebased(found, before, kept).items():
            _by_imports.setdefault(part, {}).update(values)
        started = {part: values for part, values in found.items() if part in self.at_start}
        for part, values in rebased(started, before, self.at_start).items():
            self.at_start[part] = {**self.at_start[part], **values}


def _is_loaded(name: str, globals: Mapping[str, object] | None, fromlist: Sequence[str] | None, level: int) -> bool:
    if level:
        package = str((globals or {}).get("__package__") or "")
        base = package.rsplit(".", level - 1)[0]
        name = f"{base}.{name}" if name else base
    module = sys.modules.get(name)
    if "Lazy" in type(module).__name__:  # reading an attribute would import it
        return False
    return module is not None and all(hasattr(module, each) for each in fromlist or ())


class _Generators:
    """The global random generators of Python, NumPy and torch: seeds them for foreign code, and restores them afterwards."""

    # A second NumPy bit generator, which replaces the global one. Copying and restoring the state of the global one takes 0.14 ms.
    _numpy: ClassVar[object] = None

    def __init__(self, seed: int) -> None:
        self._key = keyed_seed(seed, "global generators")
        self._before: dict[str, Any] = {}  # each library's own kind of state

    def seed_new(self) -> None:
        """Seed the generators of libraries that have been imported since the last call."""
        before, numpy, torch = self._before, imported("numpy.random"), imported("torch")
        if "random" not in before:
            before["random"] = random.getstate()
            random.seed(self._key)
        if numpy is not None and "numpy" not in before:
            before["numpy"] = numpy.get_bit_generator()
            _Generators._numpy = _Generators._numpy or numpy.MT19937(0)
            numpy.set_bit_generator(_Generators._numpy)
            numpy.seed(self._key)
        if torch is not None and "torch" not in before:
            before["torch"] = torch.get_rng_state()
            torch.default_generator.manual_seed(self._key)
            if torch.cuda.is_initialized():
                torch.cuda.manual_seed_all(self._key)

    def restore(self) -> None:
        """Restore the state of every generator that was seeded."""
        before = self._before
        if "random" in before:
            random.setstate(before["random"])
        if "numpy" in before:
            sys.modules["numpy.random"].set_bit_generator(before["numpy"])
        if "torch" in before:
            sys.modules["torch"].set_rng_state(before["torch"])


# Hydra's global objects that belong to one application.
_APPLICATION_SINGLETONS = ("GlobalHydra", "HydraConfig", "JobRuntime", "VersionBase")


def _hide_hydra() -> dict[type, Any] | None:
    """Hide the harness's Hydra application, so that foreign code may start its own. Return what `_restore_hydra` takes."""
    singleton = imported("hydra.core.singleton")
    if singleton is None:
        return None
    ours: dict[type, Any] = singleton.Singleton._instances
    singleton.Singleton._instances = _without_application(ours)
    return ours


def _restore_hydra(ours: dict[type, Any] | None) -> None:
    singleton = imported("hydra.core.singleton")
    if singleton is not None:
        singleton.Singleton._instances = _without_application(singleton.Singleton._instances) if ours is None else ours


def _without_application(instances: Mapping[type, Any]) -> dict[type, Any]:
    """Return Hydra's global objects as a new application finds them. Plugins are kept, because finding them takes long."""
    found = {kind: instance for kind, instance in instances.items() if kind.__name__ not in _APPLICATION_SINGLETONS}
    for kind in found:
        if kind.__name__ == "ConfigStore":
            store: Any = object.__new__(kind)
            store.repo = dict(found[kind].repo)
            found[kind] = store
    return found


def _hide_wandb() -> object:
    """Replace the harness's W&B session by that of foreign code, which may have its own runs. Return the harness's."""
    setup = imported("wandb.sdk.wandb_setup")
    ours: object = getattr(setup, "_singleton", None)
    if setup is not None:
        vars(setup)["_singleton"] = _wandb_session
    return ours


def _restore_wandb(ours: object) -> None:
    """Finish the runs that foreign code left open, as the end of a program would, and restore the harness's session."""
    global _wandb_session
    setup = imported("wandb.sdk.wandb_setup")
    if setup is None:
        return
    session = setup._singleton
    try:
        # A failure of W&B here says nothing about the training.
        with contextlib.suppress(Exception):
            if session is not None and session is not ours:
                session.finish_all_active_runs()
    finally:
        _wandb_session, vars(setup)["_singleton"] = setup._singleton, ours
