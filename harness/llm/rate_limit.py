"""How many calls one process sends to a server at a time, and when: shared by all cells that ask it.

A server that has too much to do slows down every cell, not only the one that it refused: nothing is sent before its Retry-After is over,
and half as many calls are sent at a time. Each answer raises the number again, by one per round of answers, up to `most`. This is the
rule of TCP (additive increase, multiplicative decrease: Chiu and Jain, 1989).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from harness.llm.errors import TransportFault
from harness.signals import poll_until


class RateLimit:
    """The calls of this process to one server: at most `most` at a time, from 1."""

    def __init__(self, most: int = 1) -> None:
        self.most = most
        self._at_a_time = float(most)
        self._in_flight = 0
        self._not_before = 0.0  # on the monotonic clock
        self._slowed_at = 0.0
        self._changed = threading.Condition()

    @property
    def at_a_time(self) -> int:
        """How many calls may be in flight now."""
        return max(1, int(self._at_a_time))

    @contextlib.contextmanager
    def turn(self) -> Iterator[float]:
        """Wait until a call may be sent, and yield the time of the monotonic clock. The block sends the call."""
        with self._changed:
            while (wait := self._wait_seconds()) > 0:
                poll_until(lambda seconds: self._changed.wait(seconds) or None, wait)
            self._in_flight += 1
        try:
            yield time.monotonic()
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def _wait_seconds(self) -> float:
        if self._in_flight >= self.at_a_time:
            return threading.TIMEOUT_MAX
        return self._not_before - time.monotonic()

    def answered(self) -> None:
        """Note that the server answered a call."""
        with self._changed:
            self._at_a_time = min(float(self.most), self._at_a_time + 1 / self._at_a_time)
            self._changed.notify()

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
