"""Keys and passwords of the user's stay out of every record, page, log and terminal. Here is what they are, and how a text loses them.

A secret is one of three things:
- the value of a variable of the environment whose name says so: OPENAI_API_KEY, HF_TOKEN, DB_PASSWORD;
- the value of a variable that `remember` was told of: the one that `llm.key_env` names;
- the password or key inside an address that a variable holds: HTTPS_PROXY=http://me:password@host.

Every text passes one of two borders:
- What comes from a server is freed of every secret when it becomes a value of the harness's (`Reply`, `ModelFacts`, `BackendError`,
  `Readiness`): `foreign_text` and `one_line`.
- What is written or printed is freed of every secret that can be told from a word (`record.py`, `errors.printable`): `without_secrets`.

A secret is found as it stands, without the white space around it, line by line, escaped as Python, JSON, HTML or an address would, and
in base64. A secret of fewer than 8 characters could be any word: it is found only behind `Bearer`, `Basic` or `api_key=`.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

_SECRET_NAME = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
_NAMES_A_PLACE = re.compile(r"_(PATH|FILE|DIR|FOLDER|SOCK)$", re.IGNORECASE)
_NAMES_AN_ADDRESS = re.compile(r"(PROXY|URL|URI|HOST|DSN|ENDPOINT)$", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"key|token|secret|password|signature|sig$", re.IGNORECASE)
SHORTEST_SECRET = 8  # a shorter one is a word that any text may hold
_SURELY_NO_WORD = 16
_AUTHORISATION = r"(?i:bearer|basic|api[-_ ]?key|authorization)[\"']?\s{0,2}[:=]?\s{0,2}[\"']?"
# What looks like a key although it stands in no variable of ours: a server may echo one in part, or with stars in it.
_KEY_LIKE = re.compile(
    r"\b(?:sk|pk|hf|gsk|xai)[-_][A-Za-z0-9_*-]{6,}|(?i:\bbearer)\s+[A-Za-z0-9._~+/*=-]{6,}|\b[A-Za-z0-9_-]{2,}\*{3,}[A-Za-z0-9_*-]*"
)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_REMEMBERED: set[str] = set()


def remember(variable: str) -> None:
    """Take the value of a variable of the environment for a secret from now on, whatever the variable is called."""
    _REMEMBERED.add(variable)


def without_secrets(text: str, *, foreign: bool = False) -> str:
    """Replace every secret in a text by `[NAME OF ITS VARIABLE]`.

    In a foreign text that is every secret of 8 characters or more. In a text of the harness's own, a secret that could be a word
    (`lm-studio`: no digit, under 16 characters) stays, since the name of an arm may be the same word.
    """
    return _replaced(text, _standing(_forms(_secrets(), foreign), text))


def holds_secret(text: str) -> bool:
    """Say whether `without_secrets` would change a text of the harness's own."""
    return bool(_standing(_forms(_secrets(), False), text))


def without_secrets_in(data: Any) -> Any:
    """Return plain data with every text in it, keys included, freed of secrets. Numbers stay as they are."""
    forms = _forms(_secrets(), False)
    return _cleaned(data, forms) if forms else data


def _cleaned(data: Any, forms: tuple[_Form, ...]) -> Any:
    if isinstance(data, str):
        return _replaced(data, _standing(forms, data))
    if isinstance(data, Mapping):
        return {_cleaned(key, forms): _cleaned(value, forms) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_cleaned(value, forms) for value in data]
    return data


def foreign_text(text: str) -> str:
    """Return a server's text as it may be kept: no secrets of ours, and no half of a surrogate pair (no UTF-8 file could hold it)."""
    whole = text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return without_secrets(whole, foreign=True)


def one_line(text: str, *, limit: int, guess: bool = True) -> str:
    """Return a foreign text as one line of at most `limit` characters that is safe to print, log and store.

    With `guess`, what only looks like a key (`sk-...`) goes too.
    """
    line = _CONTROL.sub(" ", foreign_text(text)[: 50 * limit])
    line = _USER_IN_URL.sub("", _KEY_LIKE.sub("[key]", line) if guess else line)
    line = " ".join(line.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def scrub_tracebacks() -> None:
    """Have Python print the traceback of an error that ends the process without secrets."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        print(without_secrets("".join(traceback.format_exception(kind, error, trace)), foreign=True), end="", file=sys.stderr)

    sys.excepthook = hook


def _secrets() -> tuple[tuple[str, str], ...]:
    """Return (what stands for it, value) of every secret in the environment as it is now."""
    found = []
    for name in os.environ:
        if name in _REMEMBERED or _says_secret(name):
            found.append((name, os.environ.get(name, "")))
        elif _says_address(name):
            found += [(f"password in {name}", value) for value in _inside(os.environ.get(name, ""))]
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def _says_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NAMES_A_PLACE.search(name)


@functools.lru_cache(maxsize=1024)
def _says_address(name: str) -> bool:
    return bool(_NAMES_AN_ADDRESS.search(name))


@functools.lru_cache(maxsize=64)
def _inside(address: str) -> tuple[str, ...]:
    """Return the secrets that an address carries: its password, and the values of such fields as `?api_key=`."""
    if "@" not in address and "?" not in address:
        return ()
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        fields = parse_qsl(parts.query)
    except ValueError:
        return ()
    named = [value for name, value in fields if _SECRET_FIELD.search(name)]
    return (*named, parts.password, f"{parts.username}:{parts.password}") if parts.password else tuple(named)


@dataclass(frozen=True, slots=True)
class _Form:
    """One way in which a secret may stand in a text: `text` is looked for first, since that is quick, then `pattern`."""

    text: str
    pattern: str
    name: str


def _standing(forms: tuple[_Form, ...], text: str) -> tuple[_Form, ...]:
    """Return those forms that stand in a text, the longest first."""
    return tuple(form for form in forms if form.text in text and re.search(form.pattern, text))


def _replaced(text: str, forms: tuple[_Form, ...]) -> str:
    for form in forms:
        text = re.sub(form.pattern, f"[{form.name}]".replace("\\", "/"), text)
    return text


@functools.lru_cache(maxsize=16)
def _forms(secrets: tuple[tuple[str, str], ...], foreign: bool) -> tuple[_Form, ...]:
    found: dict[str, _Form] = {}
    for name, value in secrets:
        for piece in _pieces(value):
            for text in _written(piece):
                found.setdefault(text, _Form(text, _pattern(piece, text, foreign), name))
    return tuple(sorted((form for form in found.values() if form.pattern), key=lambda form: -len(form.text)))


def _pattern(piece: str, text: str, foreign: bool) -> str:
    """Return the pattern of a form of `piece`; an empty one when it is not to be looked for."""
    literal = re.escape(text)
    if len(piece) < SHORTEST_SECRET:
        return f"{_AUTHORISATION}{literal}(?![A-Za-z0-9_])"
    if _is_no_word(piece):
        return literal
    return rf"(?<![A-Za-z0-9_.]){literal}(?![A-Za-z0-9_])" if foreign else ""


def _is_no_word(piece: str) -> bool:
    mixed = any(c.isdigit() for c in piece) and any(c.isalpha() for c in piece)
    return mixed or (len(piece) >= _SURELY_NO_WORD and " " not in piece)


def _pieces(value: str) -> Iterable[str]:
    """Return a secret's lines, without the white space around them."""
    return filter(None, (part.strip() for part in {value, *_CONTROL.split(value)}))


def _written(piece: str) -> Iterator[str]:
    """Yield a secret in the forms into which software may have put it."""
    yield piece
    yield repr(piece)[1:-1]
    yield repr(piece.encode(errors="surrogateescape"))[2:-1]
    for ascii_only in (True, False):
        yield json.dumps(piece, ensure_ascii=ascii_only)[1:-1]
    yield html.escape(piece)
    encoded = piece.encode(errors="surrogateescape")
    for escaped in (quote(encoded, safe=""), quote_plus(encoded), quote(encoded)):
        yield escaped
        yield re.sub("%..", lambda match: match[0].lower(), escaped)
    if len(piece) >= SHORTEST_SECRET:
        for whole in (encoded, b":" + encoded, encoded + b":"):
            yield base64.b64encode(whole).decode().rstrip("=")
