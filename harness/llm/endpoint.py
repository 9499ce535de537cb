"""Where a server is, in every form in which people write addresses, the proxy on the way to it, and the key for it.

Only this module reads a key. It reads it from an environment variable, never from a setting, and never shows it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import ipaddress
import os
import platform
import re
import ssl
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from harness.errors import SettingsError
from harness.llm.errors import NotReady
from harness.scrub import remember

OLLAMA_PORT = 11434
HOSTED = "ollama.com"
# Addresses at which a server listens on all interfaces, and the address at which a client reaches it.
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "localhost"}
# What people copy along with an address: the end of an endpoint.
_OPENAI_ENDPOINTS = re.compile(r"(/(chat/completions|completions|responses|embeddings|models|chat))+$")
_DOUBLED_V1 = re.compile(r"(/v1)+$")
_OLLAMA_ENDPOINTS = re.compile(r"(/v1(/chat/completions|/completions|/models)?|/api(/(chat|generate|tags|version|show|ps))?)+$")
_DIRECT = ("none", "direct")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_WORD = 15


def ollama_url(base_url: str | None) -> str:
    """Return the address of Ollama: `base_url`, else $OLLAMA_HOST, else http://127.0.0.1:11434.

    Takes what Ollama's own server and clients take: a host or an IPv6 address (`::1`) with or without a port, a port alone (`:11500`),
    quotes around it, the address to listen at (`0.0.0.0`, which means this machine), a path. Without a scheme the port is 11434 unless
    given, with one it is the scheme's. User and password are left out, as Ollama's clients do, and so is the end of an endpoint (`/v1`,
    `/api/chat`). Raises SettingsError.
    """
    given, setting = (base_url, "llm.base_url") if base_url else (os.environ.get("OLLAMA_HOST"), "OLLAMA_HOST")
    text = bare(given or "")
    if text == HOSTED:
        return f"https://{HOSTED}"
    parts = split_address(text, setting)
    path = _OLLAMA_ENDPOINTS.sub("", parts.path.rstrip("/")).rstrip("/")
    return f"{_origin(parts, parts.port or (None if '://' in text else OLLAMA_PORT))}{path}"


def openai_urls(address: str, setting: str = "llm.base_url") -> tuple[str, ...]:
    """Return where the endpoints of an OpenAI-compatible server may be, the likeliest first: at `{url}/chat/completions`.

    Takes an address with or without a scheme, a port alone (`:8000`, on this machine), the address to listen at (`0.0.0.0`), and the end
    of an endpoint. A server alone means its `/v1`, and next itself. Without a scheme, the name of a public host without a port means
    https, since a key may go there; anything else http. Raises SettingsError.
    """
    text = bare(address)
    parts = split_address(text, setting)
    if "://" not in text and parts.port is None and "." in (parts.hostname or "") and not _is_address(parts.hostname or ""):
        parts = parts._replace(scheme="https")
    origin = _origin(parts, parts.port)
    path = _OPENAI_ENDPOINTS.sub("", re.sub("/{2,}", "/", parts.path).rstrip("/"))
    path = _DOUBLED_V1.sub("/v1", path)
    if path.endswith("/v1"):
        return (f"{origin}{path}",)
    return (f"{origin}/v1", origin) if not path else (f"{origin}{path}", f"{origin}{path}/v1")


def _origin(parts: SplitResult, port: int | None) -> str:
    host = _EVERYWHERE.get(parts.hostname or "", parts.hostname or "")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}"


@dataclass(frozen=True, slots=True)
class Route:
    """How a server is reached: `proxy` is the address of a proxy, None for the direct way; it may hold a password.

    `words` is what error texts say of it (empty for the direct way), without the password.
    """

    proxy: str | None = None
    words: str = ""


DIRECT = Route()


def route_to(url: str, proxy: str | None = None) -> Route:
    """Return the way to a server. `proxy` is the setting `llm.proxy`: an address, `none` for the direct way, None for the environment's.

    The environment's are HTTPS_PROXY or HTTP_PROXY, else ALL_PROXY, except for the hosts in NO_PROXY and for a server on this machine,
    which a proxy could not reach. Raises SettingsError for a proxy that makes no sense, or that needs a package that is not installed.
    """
    import urllib.request  # noqa: PLC0415 - a command without an LLM needs none of it

    parts = urlsplit(url)
    host = parts.hostname or ""
    if proxy:
        return DIRECT if proxy in _DIRECT else _checked(bare(proxy), "llm.proxy")
    if is_here(host) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]) or _in_a_network_without_proxy(host):
        return DIRECT
    found = urllib.request.getproxies()
    scheme = next((name for name in (parts.scheme, "all") if found.get(name)), None)
    if scheme is None:
        return DIRECT
    variables = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
    return _checked(bare(found[scheme]), next((name for name in variables if os.environ.get(name)), "the system's settings"))


def is_here(host: str) -> bool:
    """Say whether a host is this machine: a loopback address, `localhost`, or its own name."""
    if host.lower() in ("localhost", platform.node().lower()) or host.lower().endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _checked(address: str, source: str) -> Route:
    """Return the way through a proxy that `source` names."""
    scheme, _, rest = address.rpartition("://")
    scheme = {"": "http", "socks": "socks5"}.get(scheme.lower(), scheme.lower())
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    shown = f"{scheme}://{parts.hostname or ''}{port}"
    if not parts.hostname or scheme not in _PROXY_SCHEMES:
        raise SettingsError(
            f"the proxy {shown} of {source} makes no sense: give one like http://proxy:3128 or socks5://proxy:1080, or llm.proxy=none"
        )
    if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise SettingsError(
            f"the proxy {shown} of {source} needs the package socksio: pip install socksio, or llm.proxy=none for the direct way"
        )
    return Route(f"{scheme}://{rest}", f" through the proxy {shown} of {source} (llm.proxy=none goes directly)")


def _in_a_network_without_proxy(host: str) -> bool:
    """Say whether NO_PROXY holds the network of an address, e.g. 10.0.0.0/8, which Python's own reading of it does not know."""
    if not _is_address(host):
        return False
    for entry in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(","):
        try:
            if "/" in entry and ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False


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


def check_proxy(text: str) -> None:
    """Raise SettingsError when `llm.proxy` is no proxy, or carries a password: it would be recorded."""
    if text in _DIRECT:
        return
    if "@" in text:
        raise SettingsError("llm.proxy: leave user and password out of it (it is recorded); HTTPS_PROXY may hold them")
    _checked(bare(text), "llm.proxy")


def _shown(scheme: str, rest: str) -> str:
    """Return an address without the parts that may be secret."""
    harmless = rest.rpartition("@")[2].partition("?")[0]
    return f"{scheme}://{harmless}" if scheme else harmless


def _is_ipv6(text: str) -> bool:
    return ":" in text and _is_address(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


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


def certificates(library: str) -> ssl.SSLContext:
    """Return the certificates that `library` (httpx or httpx2) trusts here. Reading them takes 20 ms, so all cells share them."""
    return _certificates(library, *(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")))


@functools.lru_cache(maxsize=8)
def _certificates(library: str, *variables: str | None) -> ssl.SSLContext:  # noqa: ARG001 - what the library reads, as cache key
    made: ssl.SSLContext = importlib.import_module(library).create_ssl_context()
    return made
