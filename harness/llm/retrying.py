"""Try again when a call was lost on its way. A reply that did arrive is never asked for again here, however bad it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from harness.llm.backend import Backend, Reply, Request
from harness.llm.errors import BackendUnavailable, TransportFault
from harness.seeding import keyed_random


class Retrying:
    """Repeats a call after a TransportFault: after 1, 2, 4, ... seconds, or when the server says (Retry-After), at most `tries` times.

    Up to half of a wait is left out, by a draw keyed by the request, so that parallel cells do not come back all at once. Raises
    BackendUnavailable when the last try fails, or when the server asks for more patience than `longest_wait_seconds`.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        tries: int = 5,
        first_wait_seconds: float = 1.0,
        longest_wait_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._inner = inner
        self._tries = tries
        self._first = first_wait_seconds
        self._longest = longest_wait_seconds
        self._sleep = sleep

    def complete(self, request: Request) -> Reply:
        waited = 0.0
        for attempt in range(1, self._tries + 1):
            try:
                return self._inner.complete(replace(request, attempt=attempt))
            except TransportFault as fault:
                wait = self._wait(request, attempt, fault)
                if attempt == self._tries or wait > self._longest:
                    raise BackendUnavailable(_given_up(fault, attempt, waited)) from fault
            self._sleep(wait)
            waited += wait
        raise AssertionError("a retry wrapper needs at least one try")

    def _wait(self, request: Request, attempt: int, fault: TransportFault) -> float:
        if fault.retry_after_seconds is not None:
            return fault.retry_after_seconds
        spread = keyed_random(int(request.key, 16), "retry", attempt).uniform(0.5, 1.0)
        return min(self._first * 2.0 ** (attempt - 1), self._longest) * spread


def _given_up(fault: TransportFault, tries: int, waited_seconds: float) -> str:
    text = f"{str(fault).rstrip('.')} (tried {tries} time{'s' if tries > 1 else ''} over {waited_seconds:.0f} s)"
    if fault.retry_after_seconds is not None:
        text += f"; the server asks to wait {fault.retry_after_seconds:g} s"
    return f"{text}. What is done is kept: launch the same command again to go on"


def retry_after_seconds(header: str | None, header_ms: str | None = None) -> float | None:
    """Read a Retry-After header (seconds, or an HTTP date; RFC 9110, 10.2.3) or OpenAI's retry-after-ms. None when there is none."""
    for text, unit in ((header_ms, 1000.0), (header, 1.0)):  # urllib3 takes whole seconds only, and servers send fractions
        try:
            number = float(text) / unit if text else math.nan
        except ValueError:
            continue
        if math.isfinite(number) and number >= 0:
            return number
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - only a server that asks to wait needs it
    from urllib3.util import Retry  # noqa: PLC0415

    try:
        return float(Retry().parse_retry_after(header)) if header else None
    except HTTPError:
        return None
