"""A real HTTP server of files, for tests of downloads. It supports Range, and can drop a connection in the middle of an answer."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """Serves `files` at `url`.

    Answer number i (from 0) drops the connection after `break_after[i]` bytes, else after `break_all_after` bytes; None for never. `ranges`
    says whether the server supports Range. `requests` holds the (path, Range header) of each request.
    """

    files: dict[str, bytes]
    break_after: dict[int, int] = field(default_factory=dict)
    break_all_after: int | None = None
    ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def __enter__(self) -> FileServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address of the folder, with a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}/"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
        number, asked = len(self.requests), handler.headers.get("Range")
        self.requests.append((handler.path.lstrip("/"), asked))
        body = self.files.get(handler.path.lstrip("/"))
        if body is None:
            handler.send_error(404)
            return
        match = re.fullmatch(r"bytes=(\d+)-", asked or "") if self.ranges else None
        start = int(match[1]) if match else 0
        if match and start >= len(body):
            handler.send_error(416)
            return
        handler.send_response(206 if match else 200)
        handler.send_header("Content-Length", str(len(body) - start))
        if match:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        limit = self.break_after.get(number, self.break_all_after)
        handler.wfile.write(body[start:] if limit is None else body[start : start + limit])
        handler.close_connection = True
