"""Download a file from its publisher into the cache.

A broken download is resumed. Pooch verifies the hash before the file gets its name.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock

from harness.tasks.common.registry import MIRROR, DataError, DataFile

CHUNK_BYTES = 1 << 16
CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 60.0
# After so many broken connections in a row without a new byte, the download fails.
TRIES = 3
PAUSE_SECONDS = 1.0


def fetch(file: DataFile, cache: Path) -> Path:
    """Return the path of a verified file in the cache; download it if it is missing. Raises DataError with a message of one line.

    A partial download is kept as `FILE.part` in the same folder, and the next attempt continues it. A complete download with a wrong
    hash is deleted. When several processes request the same file, one downloads it and the others wait.
    """
    if not file.url:
        raise DataError(f"{file.place} is not published anywhere: it is only in a mirror (set {MIRROR})")
    pooch.get_logger().setLevel("WARNING")
    path = cache / file.place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            book = pooch.create(cache, base_url="", registry={file.place: file.hash}, urls={file.place: file.url})
            return Path(book.fetch(file.place, downloader=Resuming(file, Path(f"{path}.part"))))
    except requests.RequestException as error:
        raise DataError(
            f"cannot fetch {file.place} ({file.size_text}) from {file.url}: {_reason(error)}; "
            f"put it into DIR/{file.dataset}/ by other means and set {MIRROR}=DIR"
        ) from error
    except ValueError as error:  # pooch: the hash is wrong, and it has deleted the file
        raise DataError(f"{file.url} did not give the published {file.place}; nothing was kept. {_one_line(error)}") from error
    except OSError as error:
        raise DataError(f"cannot keep {file.place} in the cache {cache}: {error.strerror or error}") from error


@dataclass(frozen=True)
class Resuming:
    """A downloader for pooch that continues the partial download in `part`."""

    file: DataFile
    part: Path

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        """Download `url`, and move it to `output_file` when it is complete. Raises requests.RequestException."""
        with progress(self.file) as show:
            tries = 0
            while True:
                before = self._have
                try:
                    self._go_on(url, show)
                    break
                except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                    tries = 1 if self._have > before else tries + 1
                    if tries == TRIES or self._have == before == 0:
                        raise
                    time.sleep(PAUSE_SECONDS)
        self.part.replace(output_file)

    @property
    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _go_on(self, url: str, show: Callable[[int], None]) -> None:
        have = self._have
        if have >= self.file.size_bytes:  # complete, but not verified yet
            return
        # A compressed transfer cannot be resumed, because its bytes are not the bytes of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, SILENCE_SECONDS)) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                self.part.unlink()
                self._go_on(url, show)
                return
            response.raise_for_status()
            goes_on = response.status_code == requests.codes.partial_content and _starts_at(response, have)
            with self.part.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    show(file.tell())


def _starts_at(response: requests.Response, byte: int) -> bool:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return match is not None and int(match[1]) == byte


@contextlib.contextmanager
def progress(file: DataFile) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of bytes downloaded so far. It moves a progress bar on a terminal, else it does nothing."""
    if not sys.stderr.isatty():
        yield lambda _bytes: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(file.place, total=file.size_bytes)
        yield lambda done: bar.update(task, completed=done)


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    kinds: dict[type[requests.RequestException], str] = {
        requests.Timeout: "it does not answer",
        requests.exceptions.ChunkedEncodingError: "the connection breaks (the next try goes on from there)",
        requests.ConnectionError: "no connection",
    }
    return next((text for kind, text in kinds.items() if isinstance(error, kind)), _one_line(error))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
