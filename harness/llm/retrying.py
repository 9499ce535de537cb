"""Repeat a call whose transport failed. A reply that arrived is never requested again here, even when it is bad."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

from harness.llm.backend import Backend, Reply, Request
from harness.llm.errors import BackendUnavailable, TransportFault
from harness.llm.rate_limit import RateLimit
from harness.seeding import keyed_random
from harness.signals import pause


class Retrying:
    """Sends a call again after a TransportFault, up to `tries` times in total.

    It waits 1, 2, 4, ... seconds, or as long as the server says (Retry-After). A random part of up to half of each wait is left out, so
    that parallel cells do not all try again at the same moment; the draw is keyed by the request. Raises BackendUnavailable when the last
    try fails, or when the server asks for a wait longer than `longest_wait_seconds`.

    All cells of a process that ask the same server share `limit`. A try that an overloaded server refused does not count while fewer calls
    at a time may help: with one call at a time, which ends there, a cell would not have been refused.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        tries: int = 5,
        first_wait_seconds: float = 1.0,
        longest_wait_seconds: float = 60.0,
        sleep: Callable[[float], None] = pause,
        limit: RateLimit | None = None,
    ) -> None:
        self._inner = inner
        self._tries = tries
        self._first = first_wait_seconds
        self._longest = longest_wait_seconds
        self._sleep = sleep
        self._limit = RateLimit() if limit is None else limit

    def complete(self, request: Request) -> Reply:
        waited, failed = 0.0, 0
        for attempt in itertools.count(1):
            with self._limit.turn() as sent_at:
                try:
                    reply = self._inner.complete(replace(request, attempt=attempt))
                except TransportFault as fault:
                    failed += not self._limit.slow_down(fault, sent_at)
                    wait = self._wait(request, max(1, failed), fault)
                    if failed == self._tries or wait > self._longest:
                        raise BackendUnavailable(_given_up(fault, attempt, waited)) from fault
                else:
                    self._limit.answered()
                    return reply
            self._sleep(wait)
            waited += wait
        raise AssertionError("unreachable")

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
    """Return the wait in seconds that a Retry-After header (RFC 9110, 10.2.3) or OpenAI's retry-after-ms asks for; None without one."""
    for text, unit in ((header_ms, 1000.0), (header, 1.0)):  # urllib3 accepts whole seconds only, and servers send fractions
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
