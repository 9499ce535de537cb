"""The base of the doubles: a real HTTP server on a local port that answers correctly or fails as a script says, and counts both.

    with OllamaDouble(Script.of("reset", "empty")) as server:
        ...  # point a client at server.url
        assert server.injected == {"reset": 1, "empty": 1}

The servers use real sockets; nothing is patched. `GET /double` returns the counts, also to another process.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, TypeAlias

from harness.testing.servers.replies import answer, corrupt
from harness.testing.servers.script import REPLIES, WRAPPED, Script, Step, keyed

_NOISE = b"<html><body><h1>Welcome to the captive portal</h1></body></html>"


# A JSON object in a request. Its fields may hold anything: a double checks them as the real server does.
Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Received:
    """One request that the server received; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any  # any JSON value; None without a body


class Refusal(Exception):
    """Raised to answer with an error status. A body that is a `str` is sent as plain text, any other as JSON."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.headers = headers or {}


class Double:
    """A server on 127.0.0.1. It answers each call after `seconds` (0 unless they are set), however many calls come at once.

    `injected` counts the injected faults by name, `answered` counts the valid replies, `received` holds every request, and `failures` holds
    errors of the double itself, which `stop` raises.
    """

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self.script = script or Script()
        self.seconds = 0.0
        self.injected: Counter[str] = Counter()
        self.answered = 0
        self.received: list[Received] = []
        self.failures: list[Exception] = []
        self._asked: Counter[str] = Counter()
        self._earlier: dict[str, str] = {}
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self._port = port
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """The address without any path, e.g. http://127.0.0.1:41234."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start to listen."""
        self._server = _Server(("127.0.0.1", self._port), Call, self)
        self._port = self._server.server_port
        # With the default poll interval, each stop would take 0.5 s.
        threading.Thread(target=self._server.serve_forever, args=(0.01,), name="double", daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection; new connections are refused. Raises the first error of the double itself."""
        self.stopping.set()
        self._close()
        if self.failures:
            raise self.failures[0]

    @contextlib.contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections during the block, as when no server runs."""
        self._close()
        try:
            yield
        finally:
            if self._server is None and not self.stopping.is_set():
                self.start()

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def go_down(self, seconds: float) -> None:
        """Refuse connections for some seconds, starting now; return at once."""
        self._close()

        def come_back() -> None:
            time.sleep(seconds)
            if self._server is None and not self.stopping.is_set():
                self.start()

        threading.Thread(target=come_back, daemon=True).start()

    def next_step(self, request: str) -> Step:
        """Return the step of the script for the next call, when it is time to answer it; `request` is its text."""
        with self._lock:
            number, occurrence = self._asked.total(), self._asked[request]
            self._asked[request] += 1
        self.stopping.wait(self.seconds)
        return self.script.at(number, request, occurrence)

    def count(self, kind: str) -> None:
        """Count an injected fault, or a valid answer (`valid`)."""
        with self._lock:
            if kind == "valid":
                self.answered += 1
            else:
                self.injected[kind] += 1

    def reply_text(self, step: Step, request: str, schema: Body | None, messages: Sequence[Body] = ()) -> tuple[str, str]:
        """Return the text of the reply and the kind of fault in it. The same request gets the same text.

        `messages` are read where there is no schema: they may ask for `name=value` pairs.

        A `repeat` is the last valid reply to the same schema. So the agent sees a repetition only while a single cell asks.
        """
        kind = step.do
        if kind == "text":
            return step.text, kind
        text = answer(schema, keyed(request), messages)
        with self._lock:
            place = json.dumps(schema, sort_keys=True)
            earlier = self._earlier.get(place)
            if kind == "repeat" and earlier is None:
                kind = "valid"  # nothing to repeat yet
            if kind in ("valid", *WRAPPED):
                self._earlier[place] = text
        return (corrupt(kind, text, schema, earlier) if kind in REPLIES + WRAPPED else text), kind

    def counts(self) -> dict[str, object]:
        """Return the counts as plain data."""
        return {"answered": self.answered, "injected": dict(self.injected), "requests": len(self.received)}

    def get(self, path: str, call: Call) -> None:
        """Answer a GET; a subclass implements it."""
        raise NotImplementedError

    def post(self, path: str, body: Any, call: Call) -> None:
        """Answer a POST; a subclass implements it. `body` is any JSON value."""
        raise NotImplementedError

    def not_json(self, raw: bytes) -> str:
        """Return the error text for a body that is not JSON."""
        return "We could not parse the JSON body of your request."

    def error_body(self, status: int, text: str) -> Mapping[str, object]:
        """Return the body of an error in the form of this API; a subclass implements it."""
        raise NotImplementedError


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[Call], double: Double) -> None:
        self.double = double
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        if request.fileno() != -1 and request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == _ABRUPT:
            self.close_request(request)  # without a shutdown: the other side gets a reset
        else:
            super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing when a client closes the connection: tests do this on purpose."""


_ABRUPT = struct.pack("ii", 1, 0)


class Call(BaseHTTPRequestHandler):
    """One connection, with its current request."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # Without these two, a small answer waits 40 ms until the client has acknowledged its header.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._receive(None)
        if self.path == "/double":
            self.send_json(200, self.server.double.counts())
            return
        self._answer(lambda: self.server.double.get(self.path, self))

    do_HEAD = do_GET  # noqa: N815 - the name is http.server's

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            self.send_json(400, self.server.double.error_body(400, self.server.double.not_json(raw)))
            return
        self._receive(body)
        self._answer(lambda: self.server.double.post(self.path, body, self))

    def _receive(self, body: object) -> None:
        self.server.double.received.append(
            Received(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        )

    def _answer(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Refusal as refusal:
            if isinstance(refusal.body, str):
                self.send_whole(refusal.status, refusal.body.encode(), "text/plain", refusal.headers)
                return
            self.send_json(refusal.status, refusal.body, refusal.headers)
        except OSError:  # the client closed the connection
            self.close_connection = True
        except Exception as error:  # an error of the double is not an injected fault: stop() raises it
            self.server.double.failures.append(error)
            self.close_connection = True

    def send_json(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Send a complete JSON answer."""
        self.send_whole(status, json.dumps(body).encode(), "application/json; charset=utf-8", headers)

    def send_whole(self, status: int, data: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        """Send a complete answer; `kind` is its content type."""
        self._head(status, kind, {"Content-Length": str(len(data)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def send_lines(self, lines: list[bytes], kind: str) -> None:
        """Send a streamed answer, one chunk per line."""
        self._head(200, kind, {"Transfer-Encoding": "chunked"})
        for line in lines:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def lose(self, step: Step, whole: bytes) -> None:
        """Fail to send the answer in the way that `step` says; `whole` is the complete answer."""
        double = self.server.double
        double.count(step.do)
        self.close_connection = True
        if step.do in ("reset", "refuse"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPT)
            if step.do == "refuse":
                double.go_down(step.seconds)
        elif step.do == "hang":
            double.stopping.wait(step.seconds)
        elif step.do == "not_json":
            self.send_whole(200, _NOISE, "text/html")
        else:  # cut and drip send a part of the real answer
            self._head(200, "application/json", {"Content-Length": str(len(whole))})
            self.wfile.write(whole[: len(whole) // 2])
            self.wfile.flush()
            if step.do == "drip":
                self._drip(whole[len(whole) // 2 : -1], step.seconds)

    def _drip(self, rest: bytes, seconds: float) -> None:
        end = time.monotonic() + seconds
        for place in range(len(rest)):
            self.wfile.write(rest[place : place + 1])
            self.wfile.flush()
            if time.monotonic() > end or self.server.double.stopping.wait(0.02):
                return
        self.server.double.stopping.wait(max(0.0, end - time.monotonic()))  # the last byte never comes
