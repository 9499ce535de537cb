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
import random
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from harness import process_state
from harness.process_state import State, Values, changes, imported
from harness.randomness import keyed_seed

# What imports by foreign code set.
_by_imports: dict[str, dict[str, Any]] = {}
# The W&B session of foreign code. To start one takes half a second, so the next call finds it again.
_wandb_session: Any = None


class Isolation:
    """Calls one task's code. `building` is for its constructor; what that sets holds for the task's trainings alone."""

    def __init__(self) -> None:
        self._own: State = {}

    @contextlib.contextmanager
    def building(self) -> Iterator[None]:
        """Isolate a block that imports and builds the task."""
        with _apart({}, seed=0) as imports:
            imports.begun = process_state.read()
            yield
            self._own = changes(imports.begun, process_state.read(imports.begun))

    @contextlib.contextmanager
    def training(self, seed: int) -> Iterator[None]:
        """Isolate a block that trains once."""
        with _apart(self._own, seed=seed):
            yield


@contextlib.contextmanager
def _apart(own: Mapping[str, Values], *, seed: int) -> Iterator[_Imports]:
    outside = process_state.read()
    try:
        with _global_generators(seed) as seed_new, _hydra_set_aside(), _wandb_set_aside():
            process_state.write({"sys": {"argv": ["harness"]}})
            process_state.write(_by_imports)
            process_state.write(own)
            with _Imports(outside, seed_new).watched() as imports:
                yield imports
    finally:
        process_state.write(changes(process_state.read(outside), outside))


class _Imports:
    """Stands in for Python's `import` while foreign code runs, to tell what an import sets from what a call sets.

    `outside`, the state to come back to, gains the libraries that foreign code is the first to import, as they were when their import
    ended; `begun`, the one that the block began with, gains these and whatever else imports set.
    """

    def __init__(self, outside: State, seed_new: Callable[[], None]) -> None:
        self.begun: State = {}
        self._outside, self._seed_new = outside, seed_new
        self._thread = threading.get_ident()
        self._inside = False

    @contextlib.contextmanager
    def watched(self) -> Iterator[_Imports]:
        self._import = builtins.__import__
        builtins.__import__ = self
        try:
            yield self
        finally:
            builtins.__import__ = self._import

    def __call__(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - as Python calls it
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if threading.get_ident() != self._thread or _is_loaded(name, globals, fromlist, level):
            return self._import(name, globals, locals, fromlist or (), level)
        if self._inside:
            try:
                return self._import(name, globals, locals, fromlist or (), level)
            finally:
                self._meet()
        self._inside = True
        before = process_state.read()
        try:
            return self._import(name, globals, locals, fromlist or (), level)
        finally:
            self._inside = False
            self._meet()
            self._keep(changes({**self._outside, **before}, process_state.read()))

    def _meet(self) -> None:
        """Take down the state of libraries that are new, and seed their generators."""
        new = [name for name, part in process_state.PARTS.items() if name not in self._outside and imported(part.module)]
        if new:
            state = process_state.read(dict.fromkeys(new, {}))
            self._outside.update(state)
            self.begun.update(state)
        self._seed_new()

    def _keep(self, found: State) -> None:
        for part, values in found.items():
            _by_imports.setdefault(part, {}).update(values)
            self.begun[part] = {**self.begun.get(part, {}), **values}


def _is_loaded(name: str, globals: Mapping[str, Any] | None, fromlist: Sequence[str] | None, level: int) -> bool:  # noqa: A002
    if level:
        package = str((globals or {}).get("__package__") or "")
        base = package.rsplit(".", level - 1)[0]
        name = f"{base}.{name}" if name else base
    module = sys.modules.get(name)
    if "Lazy" in type(module).__name__:  # a look into it would import it
        return False
    return module is not None and all(hasattr(module, each) for each in fromlist or ())


@contextlib.contextmanager
def _global_generators(seed: int) -> Iterator[Callable[[], None]]:
    """Give foreign code global generators that are seeded, and the harness its own back.

    Yield a function that seeds those of libraries that were imported meanwhile.
    """
    key = keyed_seed(seed, "global generators")
    state, held = random.getstate(), dict[str, Any]()

    def seed_new() -> None:
        numpy, torch = imported("numpy.random"), imported("torch")
        if numpy is not None and "numpy" not in held:
            held["numpy"] = numpy.get_bit_generator()
            # Another generator behind the same functions: to copy NumPy's state and set it again takes a seventh of a millisecond.
            numpy.set_bit_generator(_numpy_generator(numpy))
            numpy.seed(key)
        if torch is not None and "torch" not in held:
            held["torch"] = torch.get_rng_state()
            torch.default_generator.manual_seed(key)
            if torch.cuda.is_initialized():
                torch.cuda.manual_seed_all(key)

    random.seed(key)
    seed_new()
    try:
        yield seed_new
    finally:
        random.setstate(state)
        if "numpy" in held:
            sys.modules["numpy.random"].set_bit_generator(held["numpy"])
        if "torch" in held:
            sys.modules["torch"].set_rng_state(held["torch"])


_numpy_generators: list[Any] = []


def _numpy_generator(numpy_random: Any) -> Any:
    if not _numpy_generators:
        _numpy_generators.append(numpy_random.MT19937(0))
    return _numpy_generators[0]


@contextlib.contextmanager
def _hydra_set_aside() -> Iterator[None]:
    """Let foreign code compose configurations and be a Hydra application, as if there were none around it."""
    singleton = imported("hydra.core.singleton")
    ours = singleton.Singleton._instances if singleton is not None else None
    if singleton is not None:
        singleton.Singleton._instances = _fresh(ours)
    try:
        yield
    finally:
        singleton = imported("hydra.core.singleton")
        if singleton is not None:
            singleton.Singleton._instances = _fresh(singleton.Singleton._instances) if ours is None else ours


_OF_AN_APPLICATION = ("GlobalHydra", "HydraConfig", "JobRuntime", "VersionBase")


def _fresh(instances: Any) -> dict[Any, Any]:
    """Return Hydra's global objects as an application finds them: with its plugins, which take long to find, and what these stored."""
    found = {kind: instance for kind, instance in instances.items() if kind.__name__ not in _OF_AN_APPLICATION}
    for kind in found:
        if kind.__name__ == "ConfigStore":
            store = object.__new__(kind)
            store.repo = dict(found[kind].repo)
            found[kind] = store
    return found


@contextlib.contextmanager
def _wandb_set_aside() -> Iterator[None]:
    """Let foreign code keep W&B runs of its own; those that it leaves open are finished, as they would be at the end of a program."""
    global _wandb_session
    setup: Any = imported("wandb.sdk.wandb_setup")
    ours = getattr(setup, "_singleton", None)
    if setup is not None:
        setup._singleton = _wandb_session
    try:
        yield
    finally:
        setup = imported("wandb.sdk.wandb_setup")
        if setup is not None:
            session = setup._singleton
            try:
                # Whatever goes wrong with it says nothing about the training.
                with contextlib.suppress(Exception):
                    if session is not None and session is not ours:
                        session.finish_all_active_runs()
            finally:
                _wandb_session, setup._singleton = setup._singleton, ours
