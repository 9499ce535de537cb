"""Record every call, never repeat an answered one, and make sure that one model answers all calls of a cell.

The same name may stand for another model at the next launch: after `ollama pull`, or with a test double on the same port.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from harness.llm.backend import Backend, ModelFacts, Reply, Request, short_name
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError, BadRequest, OtherModel, TransportFault


class Recording:
    """Calls `keep` with a record of each call before the reply is used, so that the reply is on the disk first.

    `answered` are the cell's earlier records. A request that one of them answers (same trial, same call, same key) gets that reply
    again, without a call and without a new record. So a cell that was killed after a reply, before its trial, does not ask again.
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
    """Say whether a failed call was sent, so that it must be recorded."""
    return isinstance(error, TransportFault | BadRequest) or getattr(error, "reply", None) is not None


class SameModel:
    """Raises OtherModel when a reply comes from another model than in the cell's earlier launches.

    It compares the digests of the weights where both are known, else the names that the servers gave. A model and a test double always
    differ. `answered` are the records of the earlier launches.
    """

    def __init__(self, inner: Backend, answered: Iterable[CallRecord]) -> None:
        self._inner = inner
        usable = [record.reply.facts for record in answered if record.reply is not None and record.error is None]
        self._earlier = usable[-1] if usable else None

    def complete(self, request: Request) -> Reply:
        reply = self._inner.complete(request)
        if self._earlier is not None and not is_same(self._earlier, reply.facts):
            raise OtherModel(
                f"the cell's earlier trials were proposed by {described(self._earlier)}, and now {described(reply.facts)} answers: its "
                f"trials would be a mixture. Bring the earlier one back, or move the cell's folder away to run it anew",
                reply=reply,
            )
        return reply


def is_same(one: ModelFacts, other: ModelFacts) -> bool:
    """Say whether two replies come from the same model, as far as their servers say."""
    if one.is_double != other.is_double:
        return False
    if one.digest and other.digest:
        return one.digest == other.digest
    return _full_name(one.model) == _full_name(other.model)


def _full_name(model: str) -> str:
    """Return a name as Ollama compares it: in lower case, and without the tag `latest`; of a file without its folders."""
    return short_name(model).lower().removesuffix(":latest")


def described(facts: ModelFacts) -> str:
    """Return the name, digest and server of a model, for an error."""
    digest = f" ({facts.digest.removeprefix('sha256:')[:12]})" if facts.digest else ""
    double = f" of a test double ({facts.server})" if facts.is_double else ""
    return f"{facts.model}{digest}{double}"
