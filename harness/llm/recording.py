"""Keep every call, and pay for none twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from harness.llm.backend import Backend, Reply, Request
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError, BadRequest, TransportFault


class Recording:
    """Hands a record of each call to `keep` before its reply goes on, so that what was paid for is on the disk first.

    `answered` are the cell's earlier records. A request that one of them answers (same trial, same call, same key) gets that reply
    again, without a call and without a new record: this is how a cell that was killed between a reply and its trial goes on.
    """

    def __init__(self, inner: Backend, *, keep: Callable[[CallRecord], None], answered: Iterable[CallRecord] = ()) -> None:
        self._inner = inner
        self._keep = keep
        self._known = {(r.trial, r.call, r.key): r.reply for r in answered if r.reply is not None and r.error is None}

    def complete(self, request: Request) -> Reply:
        place = (request.trial, request.call, request.key)
        known = self._known.get(place)
        if known is not None:
            return known
        start = time.perf_counter()
        try:
            reply = self._inner.complete(request)
        except BackendError as error:
            if _reached_the_server(error):
                self._keep(CallRecord.of(request, time.perf_counter() - start, reply=getattr(error, "reply", None), error=error))
            raise
        self._keep(CallRecord.of(request, time.perf_counter() - start, reply=reply))
        self._known[place] = reply
        return reply


def _reached_the_server(error: BackendError) -> bool:
    """Say whether a failed call was made at all, and so is one to count."""
    return isinstance(error, TransportFault | BadRequest) or getattr(error, "reply", None) is not None
