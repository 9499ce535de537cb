"""The address of a server, in every form in which people write it, and the key for it.

Only this module reads a key. It reads it from an environment variable, never from a setting, and never shows it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from urllib.parse import SplitResult, urlsplit

from harness.errors import SettingsError
from harness.llm.errors import NotReady
from harness.scrub import remember

OLLAMA_PORT = 11434
HOSTED = "ollama.com"
# Addresses at which a server listens on all interfaces, and the address at which a client reaches it.
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "localhost"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_WORD = 15


def ollama_url(base_url: str | None) -> str:
    """Return the address of Ollama: `base_url`, else $OLLAMA_HOST, else http://127.0.0.1:11434.

    Accepts what Ollama's own server and clients accept: a host or an IPv6 address (`::1`) with or without a port, a port alone (`:11500`),
    quotes around the address, an address to listen at (`0.0.0.0`, which means this machine), a path. Without a scheme and a port, the
    port is 11434; with a scheme, it is the scheme's. User and password are left out, as Ollama's clients do. Raises SettingsError.
    """
    given, setting = (base_url, "llm.base_url") if base_url else (os.environ.get("OLLAMA_HOST"), "OLLAMA_HOST")
    text = bare(given or "")
    if text == HOSTED:
        return f"https://{HOSTED}"
    parts = split_address(text, setting)
    host = _EVERYWHERE.get(parts.hostname or "", parts.hostname or "")
    port = parts.port or (None if "://" in text else OLLAMA_PORT)
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def bare(text: str) -> str:
    """Return an address without the white space and the quotes around it."""
    return text.strip().strip("\"'").strip()


def split_address(text: str, setting: str) -> SplitResult:
    """Split an address; without a scheme it is http. Raises SettingsError, which names `setting` and never shows a password."""
    scheme, _, rest = text.rpartition("://")
    host = rest.partition("/")[0]
    if _is_ipv6(host):  # without brackets, its last group would be read as a port
        rest = f"[{host}]{rest.removeprefix(host)}"
    try:
        parts = urlsplit(f"{scheme or 'http'}://{rest}")
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one = False
    if not port_is_one or parts.scheme not in ("http", "https"):
        raise SettingsError(f"{setting}={_shown(scheme, rest)}: must be like http://localhost:11434")
    return parts


def check_address(text: str, setting: str) -> None:
    """Raise SettingsError for an invalid address, and for one that holds a password or a key, because it would be recorded."""
    parts = split_address(bare(text), setting)
    if parts.username or parts.password:
        raise SettingsError(f"{setting}: leave user and password out of it (it is recorded); put the key in llm.key_env's variable")
    if parts.query or parts.fragment:
        raise SettingsError(f"{setting}: leave out what follows ? (it is recorded); put the key in llm.key_env's variable")
    if not parts.hostname and not parts.port:
        raise SettingsError(f"{setting}={text}: must be like http://localhost:11434")


def _shown(scheme: str, rest: str) -> str:
    """Return an address without the parts that may be secret."""
    harmless = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{harmless}" if scheme else harmless


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def read_key(variable: str) -> str | None:
    """Return the key in an environment variable, None when the variable is unset or `variable` is empty.

    White space around the key is removed, because a key that was read from a file ends with a line break. Raises NotReady, without
    showing the key, for a key that an HTTP header cannot hold.
    """
    if not variable:
        return None
    remember(variable)
    key = os.environ.get(variable, "").strip()
    problem = _problem(key)
    if problem:
        raise NotReady(f"the key in {variable} {problem} (it is not shown here): export {variable} anew, with the key alone")
    return key or None


def state_of(variable: str) -> str:
    """Say whether a variable holds a key, without showing it. Raises NotReady as `read_key` does."""
    return f"{variable} is set" if read_key(variable) else f"{variable} is not set"


def check_variable(variable: str) -> None:
    """Raise SettingsError when `llm.key_env` is not the name of a variable. It may be the key itself, so the error does not show it."""
    if variable and (not _VARIABLE.fullmatch(variable) or _looks_like_a_key(variable)):
        raise SettingsError(
            "llm.key_env takes the name of the variable that holds the key, not the key (it is not shown here): "
            "export LLM_API_KEY=... and give llm.key_env=LLM_API_KEY"
        )


def _problem(key: str) -> str:
    if re.search(r"[\r\n]", key):
        return "holds a line break"
    if any(ord(c) < 0x20 or ord(c) == 0x7F for c in key):
        return "holds a control character"
    if not key.isascii():
        place = next(number for number, c in enumerate(key, start=1) if not c.isascii())
        return f"holds a character that is not ASCII, at place {place} of {len(key)}"
    return ""


def _looks_like_a_key(text: str) -> bool:
    return len(text) > _LONGEST_WORD and "_" not in text and any(c.isdigit() for c in text) and not text.isupper()
