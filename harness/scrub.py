"""Keep the user's keys and passwords out of every record, page, log and terminal: define what a secret is, and remove it from texts.

A secret is one of three things:
- the value of an environment variable whose name marks it as secret: OPENAI_API_KEY, HF_TOKEN, DB_PASSWORD;
- the value of a variable that was passed to `remember`: the one that `llm.key_env` names;
- the password or key inside an address that a variable holds: HTTPS_PROXY=http://me:password@host.

Secrets are removed at two boundaries:
- From the texts of a server, all secrets are removed when a text becomes a value of the harness (`Reply`, `ModelFacts`, `BackendError`,
  `Readiness`): see `foreign_text` and `one_line`.
- From what is written or printed, all secrets that cannot be ordinary words are removed (`store/codec.py`, `errors.printable`): see
  `without_secrets`.

A secret is found in these forms: as it is; without the white space around it; each of its lines; escaped as in Python, JSON, HTML or an
address; and in base64. A secret of fewer than 8 characters could be any word, so it is found only after `Bearer`, `Basic` or `api_key=`.
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
from typing import overload
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

_SECRET_NAME = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)", re.IGNORECASE)
_NAMES_A_PLACE = re.compile(r"_(PATH|FILE|DIR|FOLDER|SOCK)$", re.IGNORECASE)
_NAMES_AN_ADDRESS = re.compile(r"(PROXY|URL|URI|HOST|DSN|ENDPOINT)$", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"key|token|secret|password|signature|sig$", re.IGNORECASE)
SHORTEST_SECRET = 8  # a shorter one could be a word in any text
_LONGEST_WORD = 16
_AUTHORISATION = r"(?i:bearer|basic|api[-_ ]?key|authorization)[\"']?\s{0,2}[:=]?\s{0,2}[\"']?"
# Texts that look like a key although no variable holds them: a server may repeat a part of a key, or a key with stars in it.
_KEY_LIKE = re.compile(
    r"\b(?:sk|pk|hf|gsk|xai)[-_][A-Za-z0-9_*-]{6,}|(?i:\bbearer)\s+[A-Za-z0-9._~+/*=-]{6,}|\b[A-Za-z0-9_-]{2,}\*{3,}[A-Za-z0-9_*-]*"
)
# Whole keys of well-known services, and nothing else: what begins like this is a key of somebody.
_WHOLE_KEYS = (
    ("sk-", re.compile(r"\bsk-[A-Za-z0-9_-]*[A-Za-z0-9]{20}")),
    ("hf_", re.compile(r"\bhf_[A-Za-z0-9]{30}")),
    ("gsk_", re.compile(r"\bgsk_[A-Za-z0-9]{40}")),
    ("xai-", re.compile(r"\bxai-[A-Za-z0-9]{40}")),
    ("AIza", re.compile(r"\bAIza[A-Za-z0-9_-]{35}")),
    ("AKIA", re.compile(r"\bAKIA[A-Z0-9]{16}\b")),
    ("ghp_", re.compile(r"\bghp_[A-Za-z0-9]{36}")),
    ("github_pat_", re.compile(r"\bgithub_pat_[A-Za-z0-9_]{60}")),
    ("PRIVATE KEY", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
)
_USER_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_REMEMBERED: set[str] = set()


def remember(variable: str) -> None:
    """Treat the value of an environment variable as a secret from now on, whatever its name."""
    global _last
    _REMEMBERED.add(variable)
    _last = _NOTHING_YET


def without_secrets(text: str, *, foreign: bool = False) -> str:
    """Replace every secret in a text by `[NAME OF ITS VARIABLE]`.

    In a `foreign` text, every secret of 8 characters or more is replaced. In a text of the harness, a secret that could be a word
    (`lm-studio`: no digit, under 16 characters) stays, because an arm may have the same name.
    """
    return _replaced(text, _present(_forms(_secrets(), foreign), text))


def holds_secret(text: str) -> bool:
    """Say whether `without_secrets` would change a text of the harness."""
    return bool(_present(_forms(_secrets(), False), text))


def looks_like_key(text: str) -> bool:
    """Say whether a text holds a whole key of a well-known service, also one that no variable of this machine holds."""
    return any(mark in text and pattern.search(text) for mark, pattern in _WHOLE_KEYS)


@overload
def without_secrets_in(data: Mapping[str, object]) -> dict[str, object]: ...
@overload
def without_secrets_in(data: object) -> object: ...
def without_secrets_in(data: object) -> object:
    """Return plain data without the secrets in its texts, keys included, at any depth. Numbers are not changed."""
    forms = _forms(_secrets(), False)
    return _cleaned(data, forms) if forms else data


def _cleaned(data: object, forms: tuple[_Form, ...]) -> object:
    if isinstance(data, str):
        return _replaced(data, _present(forms, data))
    if isinstance(data, Mapping):
        return {_cleaned(key, forms): _cleaned(value, forms) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_cleaned(value, forms) for value in data]
    return data


def foreign_text(text: str) -> str:
    """Return the text of a server without secrets, and without halves of surrogate pairs, which UTF-8 cannot hold."""
    whole = text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return without_secrets(whole, foreign=True)


def one_line(text: str, *, limit: int, guess: bool = True) -> str:
    """Return a foreign text as one line of at most `limit` characters, which is safe to print, log and store.

    With `guess`, texts that only look like a key (`sk-...`) are replaced too.
    """
    line = _CONTROL.sub(" ", foreign_text(text)[: 50 * limit])
    line = _USER_IN_URL.sub("", _KEY_LIKE.sub("[key]", line) if guess else line)
    line = " ".join(line.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def scrub_tracebacks() -> None:
    """Make Python remove secrets from the traceback that it prints when an error ends the process."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        print(without_secrets("".join(traceback.format_exception(kind, error, trace)), foreign=True), end="", file=sys.stderr)

    sys.excepthook = hook


def _secrets() -> tuple[tuple[str, str], ...]:
    """Return (replacement, value) for every secret in the current environment."""
    global _last  # one assignment of a pair, so that no thread sees half of it
    # os.environ keeps bytes in `_data`. To compare them takes a microsecond, to read all variables seventy.
    variables: Mapping[bytes, bytes] = vars(os.environ)["_data"]
    if variables != _last[0]:
        _last = (dict(variables), _secrets_now())
    return _last[1]


_NOTHING_YET: tuple[Mapping[bytes, bytes], tuple[tuple[str, str], ...]] = ({}, ())
_last = _NOTHING_YET


def _secrets_now() -> tuple[tuple[str, str], ...]:
    found = []
    for name in os.environ:
        if name in _REMEMBERED or _is_secret_name(name):
            found.append((name, os.environ.get(name, "")))
        elif _is_address_name(name):
            found += [(f"password in {name}", value) for value in _secrets_in_address(os.environ.get(name, ""))]
    return tuple(found)


@functools.lru_cache(maxsize=1024)
def _is_secret_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NAMES_A_PLACE.search(name)


@functools.lru_cache(maxsize=1024)
def _is_address_name(name: str) -> bool:
    return bool(_NAMES_AN_ADDRESS.search(name))


@functools.lru_cache(maxsize=64)
def _secrets_in_address(address: str) -> tuple[str, ...]:
    """Return the secrets in an address: its password, and the values of fields such as `?api_key=`."""
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
    """One form in which a text may hold a secret. `text` is searched first, because that is quick, and then `pattern`."""

    text: str
    pattern: str
    name: str


def _present(forms: tuple[_Form, ...], text: str) -> tuple[_Form, ...]:
    """Return the forms that a text holds, the longest first."""
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
            for text in _encodings(piece):
                found.setdefault(text, _Form(text, _pattern(piece, text, foreign), name))
    return tuple(sorted((form for form in found.values() if form.pattern), key=lambda form: -len(form.text)))


def _pattern(piece: str, text: str, foreign: bool) -> str:
    """Return the pattern by which a form of `piece` is found; empty when it must not be searched."""
    literal = re.escape(text)
    if len(piece) < SHORTEST_SECRET:
        return f"{_AUTHORISATION}{literal}(?![A-Za-z0-9_])"
    if _is_surely_secret(piece):
        return literal
    return rf"(?<![A-Za-z0-9_.]){literal}(?![A-Za-z0-9_])" if foreign else ""


def _is_surely_secret(piece: str) -> bool:
    mixed = any(c.isdigit() for c in piece) and any(c.isalpha() for c in piece)
    return mixed or (len(piece) >= _LONGEST_WORD and " " not in piece)


def _pieces(value: str) -> Iterable[str]:
    """Return a whole secret and each of its lines, without the white space around them."""
    return filter(None, (part.strip() for part in {value, *_CONTROL.split(value)}))


def _encodings(piece: str) -> Iterator[str]:
    """Yield a secret in the forms in which software may write it."""
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
