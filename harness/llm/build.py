"""From settings to a backend with everything around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.errors import SettingsError
from harness.importing import load_target
from harness.llm.backend import Backend
from harness.llm.budget import Budgeted, Caps, Prices, Spend
from harness.llm.calls import CallRecord
from harness.llm.recording import Recording, SameModel
from harness.llm.replay import Replay
from harness.llm.retrying import Retrying
from harness.llm.settings import LlmSettings
from harness.llm.truncation import Guarded


def backend_class(settings: LlmSettings) -> Any:
    """Return the class that `_target_` names, or Replay when `replay` is set. Raises SettingsError."""
    if settings.replay:
        return Replay
    if not settings._target_:
        raise SettingsError("this method asks an LLM, and llm=none: choose one, e.g. llm=phi4 (the files in conf/llm)")
    return load_target(settings._target_, "llm._target_")


def build_backend(settings: LlmSettings, *, keep: Callable[[CallRecord], None], answered: Iterable[CallRecord] = ()) -> Backend:
    """Return the LLM of these settings, for one cell.

    `keep` is called with the record of each call before its reply is used; it must write it durably. `answered` are the records that
    earlier launches of the cell kept: they are answered from again, and count towards the caps. Nothing is connected to, loaded or
    checked before the first call. Raises SettingsError.

    From the outside in: retry lost calls; keep what comes back; refuse another model than before; refuse cut prompts; refuse to pass a
    cap; ask.
    """
    answered = tuple(answered)
    backend: Backend = backend_class(settings)(settings)
    if isinstance(backend, Replay):
        # Nothing is lost, paid or cut in a replay; it is kept like a first run, so that its records are a study of their own.
        return Recording(backend, keep=keep, answered=answered)
    caps = Caps(settings.cap_tokens, settings.cap_seconds, settings.cap_usd)
    prices = Prices.read(settings.prices)
    if caps.usd is not None and prices.of(settings.model) is None:
        raise SettingsError(
            f"llm.cap_usd={caps.usd:g}: the price list of {prices.date} has no '{settings.model}'; give llm.prices=FILE or unset the cap"
        )
    budgeted = Budgeted(backend, caps, prices, Spend.of(answered, prices))
    recording = Recording(SameModel(Guarded(budgeted), answered), keep=keep, answered=answered)
    return Retrying(
        recording,
        tries=settings.tries,
        first_wait_seconds=settings.first_wait_seconds,
        longest_wait_seconds=settings.longest_wait_seconds,
    )
