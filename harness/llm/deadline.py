"""The boundary to the clients of LLM servers: a call gets a deadline, and its error is translated in one place."""

from __future__ import annotations

import functools
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.llm.errors import BackendError, TransportFault
from harness.scrub import one_line
from harness.signals import poll_until

T = TypeVar("T")
_LONGEST_CHAIN = 5


class ForeignError(Exception):
    """The cause of a translated error when the original error holds a secret: its text without the secret."""


def call_with_deadline(
    call: Callable[[], T],
    *,
    who: str,
    deadline_seconds: float,
    abandon: Callable[[], None],
    translate: Callable[[Exception], BackendError],
) -> T:
    """Return what `call` returns; `who` names the server in an error.

    The call runs in its own thread, because a client does not always end on time: its timeout applies to each read, so a server that
    sends one byte now and then keeps it waiting for ever. After `deadline_seconds`, `abandon` is called, which closes the connection, and
    TransportFault is raised. Any other exception is replaced by `translate(exception)`, with the original as its cause.
    """
    results: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except Exception as error:  # translated below, in the thread that asked
            results.put((None, error))

    threading.Thread(target=run, name="llm-call", daemon=True).start()
    try:
        ended = poll_until(functools.partial(_next, results), deadline_seconds)
    except BaseException:  # Ctrl-C: close the connection, so that the server stops generating
        abandon()
        raise
    if ended is None:
        abandon()
        text = f"{who} gave no complete answer within {deadline_seconds:g} s (llm.timeout_seconds)"
        raise TransportFault(text, is_overload=True)
    result, error = ended
    if error is not None:
        # Raised outside any `except`: Python would add the original error as context, even when its text must not be shown.
        translated, shown = translate(error), _showable(error)
        if shown is translated:
            raise translated
        raise translated from shown
    return result  # type: ignore[return-value]


def _next(results: queue.SimpleQueue[T], seconds: float) -> T | None:
    try:
        return results.get(timeout=seconds)
    except queue.Empty:
        return None


def _showable(error: Exception) -> Exception:
    """Return the error itself, or its words alone when it, or an error that led to it, says what must not be shown."""
    texts = [(one, str(one)) for one in chain(error)]
    shown = [(one, one_line(text, limit=2000)) for one, text in texts]
    if shown == texts:
        return error
    words = [f"{type(one).__module__}.{type(one).__qualname__}: {text}" for one, text in shown]
    return ForeignError(" <- ".join(words[:_LONGEST_CHAIN]))


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it came from, as a traceback prints them."""
    met: set[int] = set()
    while error is not None and id(error) not in met:
        met.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def why_unreachable(error: BaseException, url: str) -> str:
    """Say why no connection to a server came about, empty where it simply refuses one: nothing listens there."""
    met = list(chain(error))
    if any(isinstance(one, socket.gaierror) or "getaddrinfo" in str(one) for one in met):
        return "no machine is known by that name"
    if any(isinstance(one, ssl.SSLCertVerificationError) for one in met):
        return "its certificate is not trusted here: SSL_CERT_FILE=FILE.pem names those that are"
    if any(isinstance(one, ssl.SSLError) or "SSL" in type(one).__name__ for one in met) and url.startswith("https:"):
        return "it does not speak https: is it http://?"
    return ""
