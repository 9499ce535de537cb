"""The one place through which foreign code is called: a task's constructor, its trainings, its `prepare`.

A process has one working folder, one environment, one `wandb.run`. Foreign code sets them as it likes, for itself:

- What it sets does not reach the harness or a method. All of it is put back when the call returns (`process_state.py` lists what).
- Every training begins in the same state, whatever the one before it left: that of the harness, with what the task's constructor
  set. Python's, NumPy's and torch's global generators are seeded, so that a training that draws from them repeats too.
- A module is imported once in a process. So what its import sets holds for all foreign code from then on.
- Foreign code finds no Hydra, no W&B session and no command line of the harness's.

What runs on after a call is out of reach (threads, open files, `torch.set_num_interop_threads`): `limits.trial_seconds` trains in
a process of its own.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import random
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from harness.seeding import keyed_seed
from harness.training import process_state
from harness.training.process_state import State, Values, changes, imported

# What imports by foreign code set.
_by_imports: dict[str, dict[str, Any]] = {}
# Modules that foreign code looked for in vain. Some libraries do so again and again (OmegaConf for attr, with every value).
_not_there: set[str] = set()
# The W&B session of foreign code. To start one takes half a second, so the next call finds it again.
_wandb_session: Any = None


class Isolation:
    """Calls one task's code. `building` is for its constructor; what that sets holds for the task's trainings alone."""

    def __init__(self) -> None:
        self._own: State = {}

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Isolate a block that imports and builds the task."""
        with _Apart({}, seed=0) as apart:
            apart.begun = process_state.read()
            yield
            self._own = changes(apart.begun, process_state.read(apart.begun))

    @contextlib.contextmanager
    def training(self, seed: int) -> Iterator[None]:
        """Isolate a block that trains once."""
        with _Apart(self._own, seed=seed):
            before = _log_handlers()
            try:
                yield
            finally:
                for handler in _log_handlers():
                    if handler not in before and handler not in _by_imports.get("logging", {}).get("handlers", ()):
                        handler.close()  # a file that nobody writes to any more, a trial


def _log_handlers() -> list[Any]:
    logging: Any = imported("logging")
    return [] if logging is None else logging.root.handlers[:]


class _Apart:
    """Isolates a block. Meanwhile it stands in for Python's `import`, to tell what an import sets from what a call sets.

    `begun`, the state that the block begins with, gains what imports set. Libraries that foreign code is the first to import come into
    both states as they were when their import ended. (Written out, not composed of context managers: it runs twice for every trial.)
    """

    def __init__(self, own: Mapping[str, Values], *, seed: int) -> None:
        self.begun: State = {}
        self._own = own
        self._generators = _Generators(seed)
        self._thread = threading.get_ident()
        self._importing = False

    def __enter__(self) -> _Apart:
        self._outside = process_state.read()
        self._import = builtins.__import__
        self._hydra, self._wandb = _set_hydra_aside(), _set_wandb_aside()
        self._silenced = False
        try:
            process_state.write({"sys": {"argv": ["harness"]}, **_by_imports})
            process_state.write(self._own)
            self._meet_libraries()
            builtins.__import__ = self
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._import
        try:
            _put_wandb_back(self._wandb)
        finally:
            if self._silenced:
                os.environ.pop("WANDB_SILENT", None)
            _put_hydra_back(self._hydra)
            self._generators.put_back()
            process_state.write(changes(process_state.read(self._outside), self._outside))

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if _is_loaded(name, globals, fromlist, level) or name in _not_there or threading.get_ident() != self._thread:
            return self._import(name, globals, locals, fromlist or (), level)
        if self._importing:
            try:
                return self._import(name, globals, locals, fromlist or (), level)
            finally:
                self._meet_libraries()
        self._importing = True
        before = process_state.read()
        try:
            return self._import(name, globals, locals, fromlist or (), level)
        except ModuleNotFoundError as error:
            if error.name == name:
                _not_there.add(name)
            raise
        finally:
            self._importing = False
            self._meet_libraries()
            before = {**self._outside, **before}
            self._keep(changes(before, process_state.read()), before)

    def _meet_libraries(self) -> None:
        """Take down the state of libraries that are new, and seed their generators."""
        new = [name for name, part in process_state.PARTS.items() if name not in self._outside and imported(part.module)]
        if new:
            state = process_state.read(new)
            self._outside.update(state)
            self.begun.update(state)
        self._generators.seed_new()
        if "wandb" in sys.modules and "WANDB_SILENT" not in os.environ:
            # Unless the user wants the fifteen lines that W&B writes on a run: they would be fifteen lines a trial.
            os.environ["WANDB_SILENT"] = "true"
            self._silenced = True

    def _keep(self, found: State, before: State) -> None:
        for part, values in found.items():
            kept = _by_imports.setdefault(part, {})
            for name, value in values.items():
                if isinstance(value, list):  # the call that imports may have changed it too, and that must not last
                    base = kept[name] if name in kept else self._outside[part][name]
                    kept[name] = _as_the_import_did(before[part][name], value, base)
                else:
                    kept[name] = value
            self.begun[part] = {**self.begun.get(part, {}), **values}


def _as_the_import_did(before: list[Any], after: list[Any], base: list[Any]) -> list[Any]:
    """Return `base` with what came into a list, at the end to which it came, and without what was taken out of it."""
    new = [entry for entry in after if entry not in before]
    first = next((place for place, entry in enumerate(after) if entry in before), len(after))
    front = [entry for entry in after[:first] if entry in new and entry not in base]
    back = [entry for entry in after[first:] if entry in new and entry not in base]
    gone = [entry for entry in before if entry not in after]
    return [*front, *(entry for entry in base if entry not in gone), *back]


def _is_loaded(name: str, globals: Mapping[str, Any] | None, fromlist: Sequence[str] | None, level: int) -> bool:
    if level:
        package = str((globals or {}).get("__package__") or "")
        base = package.rsplit(".", level - 1)[0]
        name = f"{base}.{name}" if name else base
    module = sys.modules.get(name)
    if "Lazy" in type(module).__name__:  # a look into it would import it
        return False
    return module is not None and all(hasattr(module, each) for each in fromlist or ())


class _Generators:
    """The global random generators of Python, NumPy and torch: seeded for foreign code, and afterwards as they were before."""

    # Another one behind NumPy's functions: to copy the state of its own and set it again takes a seventh of a millisecond.
    _numpy: ClassVar[Any] = None

    def __init__(self, seed: int) -> None:
        self._key = keyed_seed(seed, "global generators")
        self._before: dict[str, Any] = {}

    def seed_new(self) -> None:
        """Seed those that are there and were not the last time."""
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

    def put_back(self) -> None:
        """Set all as they were."""
        before = self._before
        if "random" in before:
            random.setstate(before["random"])
        if "numpy" in before:
            sys.modules["numpy.random"].set_bit_generator(before["numpy"])
        if "torch" in before:
            sys.modules["torch"].set_rng_state(before["torch"])


# Hydra's global objects that are one application's.
_OF_AN_APPLICATION = ("GlobalHydra", "HydraConfig", "JobRuntime", "VersionBase")


def _set_hydra_aside() -> Any:
    """Let foreign code compose configurations and be a Hydra application, as if there were none around it. Return what to put back."""
    singleton: Any = imported("hydra.core.singleton")
    if singleton is None:
        return None
    ours = singleton.Singleton._instances
    singleton.Singleton._instances = _without_application(ours)
    return ours


def _put_hydra_back(ours: Any) -> None:
    singleton: Any = imported("hydra.core.singleton")
    if singleton is not None:
        singleton.Singleton._instances = _without_application(singleton.Singleton._instances) if ours is None else ours


def _without_application(instances: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return Hydra's global objects as an application finds them: with its plugins, which take long to find, and what these stored."""
    found = {kind: instance for kind, instance in instances.items() if kind.__name__ not in _OF_AN_APPLICATION}
    for kind in found:
        if kind.__name__ == "ConfigStore":
            store = object.__new__(kind)
            store.repo = dict(found[kind].repo)
            found[kind] = store
    return found


def _set_wandb_aside() -> Any:
    """Let foreign code keep W&B runs of its own. Return the harness's session."""
    setup: Any = imported("wandb.sdk.wandb_setup")
    ours = getattr(setup, "_singleton", None)
    if setup is not None:
        setup._singleton = _wandb_session
    return ours


def _put_wandb_back(ours: Any) -> None:
    """Finish the runs that foreign code left open, as the end of a program would, and go on with the harness's session."""
    global _wandb_session
    setup: Any = imported("wandb.sdk.wandb_setup")
    if setup is None:
        return
    session = setup._singleton
    try:
        # Whatever goes wrong with it says nothing about the training.
        with contextlib.suppress(Exception):
            if session is not None and session is not ours:
                session.finish_all_active_runs()
    finally:
        _wandb_session, setup._singleton = setup._singleton, ours
