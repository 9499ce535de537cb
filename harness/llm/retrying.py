"""Repeat a call whose transport failed, and send no more calls at a time than the server takes.

A reply that arrived is never requested again here, even when it is bad.

How many calls one process sends to a server at a time, and when: shared by all cells that ask it.

A server that has too much to do slows down every cell, not only the one that it refused: nothing is sent before its Retry-After is over,
and half as many calls are sent at a time. Each answer raises the number again, by one per round of answers, up to `most`. This is the
rule of TCP (additive increase, multiplicative decrease: Chiu and Jain, 1989).

More cells may be open than calls may be in flight. Then the call of the earliest trial is sent first, so that all cells end at about the
same time, and no connection is left without work while one cell has many calls to go.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from harness.llm.backend import Backend, Reply, Request
from harness.llm.errors import BackendUnavailable, TransportFault
from harness.seeding import keyed_random
from harness.signals import pause, poll_until


class RateLimit:
    """The calls of this process to one server: at most `most` at a time, from 1."""

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self._at_a_time = float(most)
        self._in_flight = 0
        self._waiting: list[tuple[int, int]] = []  # a heap of (trial, number of the ticket)
        self._tickets = itertools.count()
        self._not_before = 0.0  # on the monotonic clock
        self._slowed_at = 0.0
        self._changed = threading.Condition()

    @property
    def at_a_time(self) -> int:
        """How many calls may be in flight now."""
        return max(1, int(self._at_a_time))

    @contextlib.contextmanager
    def turn(self, trial: int = 0) -> Iterator[float]:
        """Wait until a call for this trial may be sent, and yield the time of the monotonic clock. The block sends the call."""
        with self._changed:
            ticket = (trial, next(self._tickets))
            heapq.heappush(self._waiting, ticket)
            try:
                while (wait := self._wait_seconds(ticket)) > 0:
                    poll_until(lambda seconds: self._changed.wait(seconds) or None, wait)
                self._in_flight += 1
            finally:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)
                self._changed.notify_all()
        try:
            yield time.monotonic()
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def _wait_seconds(self, ticket: tuple[int, int]) -> float:
        if self._in_flight >= self.at_a_time or self._waiting[0] != ticket:
            return threading.TIMEOUT_MAX
        return self._not_before - time.monotonic()

    def answered(self) -> None:
        """Note that the server answered a call."""
        with self._changed:
            self._at_a_time = min(float(self.most), self._at_a_time + 1 / self._at_a_time)
            self._changed.notify_all()

    def slow_down(self, fault: TransportFault, sent_at: float) -> bool:
        """Slow down after a call that was sent at `sent_at`, if the fault says so. Return whether fewer calls at a time may help.

        It may where other calls are in flight. Call it within the `turn` of the call.

        Calls that were sent before the last slowing-down were refused for the same reason, so they slow down nothing further.
        """
        if not fault.is_overload:
            return False
        with self._changed:
            if fault.retry_after_seconds is not None:
                self._not_before = max(self._not_before, time.monotonic() + fault.retry_after_seconds)
            if sent_at <= self._slowed_at:
                return True
            self._at_a_time = max(1.0, self._at_a_time / 2)
            self._slowed_at = time.monotonic()
            return self._in_flight > 1


_limits: dict[tuple[str, str | None], RateLimit] = {}
_one_at_a_time = threading.Lock()


def limit_of(target: str, base_url: str | None, most: int) -> RateLimit:
    """Return the limit that all cells of this process share for a server: the class of its backend and its address.

    Cells that run one after the other (`most` is 1) share nothing.
    """
    if most == 1:
        return RateLimit()
    with _one_at_a_time:
        return _limits.setdefault((target, base_url), RateLimit(most))


def forget_limits() -> None:
    """Begin anew, before the cells of a command run."""
    with _one_at_a_time:
        _limits.clear()


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
            with self._limit.turn(request.trial) as sent_at:
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
