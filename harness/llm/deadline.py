"""The border to foreign code: a call gets a deadline that holds, and its error is translated once."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.llm.errors import BackendError, TransportFault
from harness.scrub import one_line

T = TypeVar("T")
_LONGEST_CHAIN = 5


class ForeignError(Exception):
    """Stands in as the cause of a translated error where the original's text cannot be shown as it is."""


def cross(
    call: Callable[[], T],
    *,
    who: str,
    deadline_seconds: float,
    abandon: Callable[[], None],
    translate: Callable[[Exception], BackendError],
) -> T:
    """Return what `call` returns; `who` answers it, for the error's text.

    The call runs in a thread of its own, because no client can be trusted to end on time: their timeouts are per read, so a server
    that sends a byte now and then holds them for ever. When the deadline passes, `abandon` is called (close the connection) and a
    TransportFault raised. Any other exception becomes `translate(it)`, with the original as its cause.
    """
    results: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except Exception as error:  # translated below, in the thread that asked
            results.put((None, error))

    threading.Thread(target=run, name="llm-call", daemon=True).start()
    try:
        result, error = results.get(timeout=min(deadline_seconds, threading.TIMEOUT_MAX))
    except queue.Empty:
        late = True
    except BaseException:  # Ctrl-C: do not leave the server generating
        abandon()
        raise
    else:
        late = False
    if late:
        abandon()
        raise TransportFault(f"{who} gave no complete answer within {deadline_seconds:g} s (llm.timeout_seconds)")
    if error is not None:
        # Outside any `except`, so that the original hangs on the new error as its cause alone, and only if its text may be shown.
        translated, shown = translate(error), _showable(error)
        if shown is translated:
            raise translated
        raise translated from shown
    return result  # type: ignore[return-value]


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
