"""Check whether an LLM can answer: quick, read-only requests, for `python -m harness.doctor` and before a run.

Each backend class has a static method `ready(settings)`; `readiness` calls it, and never raises. This module uses the standard library
only, because the doctor must not wait for the clients to be imported.
"""

from __future__ import annotations

import http.client
import io
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from harness.errors import HarnessError
from harness.llm.backend import DOUBLE, short_name
from harness.llm.deadline import why_unreachable
from harness.llm.endpoint import DIRECT, Route, ollama_url, read_key, route_to, state_of
from harness.llm.settings import THINKING_LEVELS, LlmSettings
from harness.readiness import Readiness as Readiness  # the backends import it from here
from harness.scrub import one_line

PROBE_SECONDS = 1.5
TEST_DOUBLE = "is a test double"
SOON_DAYS = 90
_NAMED_MODELS = 5
# What a probe may raise where something answers, and not as it should.
_NOT_AS_ASKED = (ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class OllamaStatus:
    """What an Ollama server says of itself; `problem` is why it does not answer, `help` what to do where something else answers.

    `windows` maps each pulled model to its window in tokens, None where the server's list does not say.
    """

    url: str
    up: bool
    version: str = ""
    windows: Mapping[str, int | None] = field(default_factory=dict)
    problem: str = ""
    help: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """The pulled models."""
        return tuple(self.windows)


def readiness(settings: LlmSettings) -> Readiness:
    """Say whether the LLM of these settings can answer now, and if not, what to do."""
    from harness.llm.build import backend_class  # noqa: PLC0415 - build imports the wrappers, which the doctor does not need

    try:
        return backend_class(settings).ready(settings)
    except HarnessError as error:
        return Readiness(settings.name, False, str(error))
    except Exception as error:  # a check that fails means: not ready
        return Readiness(settings.name, False, one_line(f"{type(error).__name__}: {error}", limit=200))


def ollama_status(base_url: str | None = None, *, timeout_seconds: float = PROBE_SECONDS, proxy: str | None = None) -> OllamaStatus:
    """Ask an Ollama server for its version and its models. Raises SettingsError for an address or a key that makes no sense."""
    url, key = ollama_url(base_url), read_key("OLLAMA_API_KEY")
    route = route_to(url, proxy)
    at, elsewhere = f"{url}{route.words}", "set llm.base_url (or OLLAMA_HOST) to Ollama's address, e.g. http://HOST:11434"
    try:
        version = get_json(f"{url}/api/version", timeout_seconds=timeout_seconds, key=key, route=route)["version"]
        listed = get_json(f"{url}/api/tags", timeout_seconds=timeout_seconds, key=key, route=route)["models"]
        windows = {str(entry["name"]): _window_of(entry) for entry in listed}
        return OllamaStatus(url, True, str(version), windows)
    except urllib.error.HTTPError as error:
        said = one_line(f"{error.code} {error.reason}", limit=100)
        if error.code in (401, 403):
            problem = f"what answers at {at} is not Ollama, or lets nobody in (it says {said}; {state_of('OLLAMA_API_KEY')})"
            return OllamaStatus(url, False, problem=problem, help="export OLLAMA_API_KEY=...")
        return OllamaStatus(url, False, problem=f"something answers at {at}, and it is not Ollama (it says {said})", help=elsewhere)
    except _NOT_AS_ASKED as error:
        problem = f"something answers at {at}, and it is not Ollama ({_not_as_asked(error)})"
        return OllamaStatus(url, False, problem=problem, help=elsewhere)
    except OSError as error:
        return OllamaStatus(url, False, problem=f"no Ollama at {at} ({_unreachable(error, url)})")


def _unreachable(error: OSError, url: str) -> str:
    reason = getattr(error, "reason", error)
    return why_unreachable(error, url) or one_line(str(getattr(reason, "strerror", None) or reason), limit=200)


def _not_as_asked(error: Exception) -> str:
    page = isinstance(error, ValueError) and not isinstance(error, UnicodeDecodeError)
    return "its answer is no JSON, as of a web page" if page else one_line(f"its answer lacks {error}", limit=100)


def compatible_ready(settings: LlmSettings, urls: Sequence[str]) -> Readiness:
    """Say whether an OpenAI-compatible server answers at one of `urls`, and which models it names."""
    key, route = read_key(settings.key_env), route_to(urls[0], settings.proxy)
    said = ""
    for url in urls:
        try:
            return _serving(settings, url, served_at(url, key, route))
        except urllib.error.HTTPError as error:
            code = one_line(f"{error.code} {error.reason}", limit=100)
            if error.code in (401, 403):
                return _locked(settings, f"{url}{route.words}", code)
            if error.code not in (404, 405):
                return Readiness(
                    settings.name, False, f"the server at {url}{route.words} says {code}", "wait for it, or read its log"
                )
            if _takes_chats(url, key, route):
                return _serving(settings, url, Served())
            said = said or code
        except _NOT_AS_ASKED as error:
            said = said or _not_as_asked(error)
        except OSError as error:
            problem = f"no OpenAI-compatible server at {url}{route.words} ({_unreachable(error, url)})"
            return Readiness(settings.name, False, one_line(problem, limit=300), "start it, or set llm.base_url")
    problem = f"a server answers at {urls[0]}{route.words}, and not as an OpenAI-compatible one ({said}): the address is off"
    return Readiness(settings.name, False, problem, "set llm.base_url to what its manual says, usually http://HOST:PORT/v1")


@dataclass(frozen=True, slots=True)
class Served:
    """What an OpenAI-compatible server lists: its models with their windows in tokens (None where it does not say), and what it is.

    llama.cpp's server has one model, and answers with it whatever name is asked for.
    """

    windows: Mapping[str, int | None] = field(default_factory=dict)
    is_llama_cpp: bool = False
    is_double: bool = False

    def window_of(self, model: str) -> int | None:
        """Return the window of the model that answers to this name, None where that is not known."""
        if model not in self.windows and self.is_llama_cpp and len(self.windows) == 1:
            return next(iter(self.windows.values()))
        return self.windows.get(model)


def served_at(url: str, key: str | None, route: Route) -> Served:
    """Ask an OpenAI-compatible server what it serves. Raises what `get_json` raises, and for an answer of another form too."""
    listed = get_json(f"{url}/models", timeout_seconds=PROBE_SECONDS, key=key, route=route)["data"]
    owners = [str(entry.get("owned_by")) for entry in listed]
    windows = {str(entry["id"]): _served_window(entry) for entry in listed}
    return Served(windows, any("llamacpp" in owner for owner in owners), any(DOUBLE in owner for owner in owners))


def _served_window(entry: Mapping[str, Any]) -> int | None:
    """Return the window that a server was started with: `meta.n_ctx` of llama.cpp, `max_model_len` of vLLM."""
    window = (entry.get("meta") or {}).get("n_ctx") or entry.get("max_model_len")
    return window if isinstance(window, int) else None


def is_llama_cpp(url: str, key: str | None, route: Route) -> bool:
    """Say whether the server says that it is llama.cpp's; False where it does not answer."""
    try:
        return served_at(url, key, route).is_llama_cpp
    except (OSError, *_NOT_AS_ASKED):
        return False


def _serving(settings: LlmSettings, url: str, served: Served) -> Readiness:
    names = ", ".join(short_name(name) for name in list(served.windows)[:_NAMED_MODELS])
    serves = one_line(f"{url} serves {names or 'models that it does not list'}", limit=300)
    keyed = f"; {state_of(settings.key_env)}" if settings.key_env else ""
    warnings = [double_warning(url)] if served.is_double else []
    window = served.window_of(settings.model)
    if window and settings.num_ctx and settings.num_ctx > window:
        warnings.append(
            f"llm.num_ctx={settings.num_ctx} is more than the window that {url} was started with, {window} tokens: set at most that, or "
            f"start it with a larger one"
        )
    return Readiness(settings.name, True, f"{serves}{keyed}", warning="; ".join(warnings))


def _locked(settings: LlmSettings, at: str, said: str) -> Readiness:
    variable = settings.key_env or "LLM_API_KEY"
    state = state_of(variable) if settings.key_env else "llm.key_env names no variable"
    named = "" if settings.key_env else ", and give llm.key_env=LLM_API_KEY"
    return Readiness(
        settings.name, False, f"{at} lets nobody in without its key ({said}; {state})", f"export {variable}=...{named}"
    )


def _takes_chats(url: str, key: str | None, route: Route) -> bool:
    """Say whether a server that lists no models takes chats: it finds fault with an empty one, and not with the address."""
    try:
        get_json(f"{url}/chat/completions", timeout_seconds=PROBE_SECONDS, key=key, body={}, route=route)
    except urllib.error.HTTPError as error:
        return error.code not in (404, 405, 501)
    except (OSError, *_NOT_AS_ASKED):
        return False
    return True


def ollama_ready(settings: LlmSettings) -> Readiness:
    """Say whether the server is up and has the model, and whether `llm.num_ctx` fits the model's window."""
    status = ollama_status(settings.base_url, proxy=settings.proxy)
    if not status.up:
        # Two lines: `ollama serve` does not end.
        command = f"ollama serve\nollama pull {settings.model}"
        if not (settings.base_url or shutil.which("ollama")):
            command = f"curl -fsSL https://ollama.com/install.sh | sh\n{command}"
        return Readiness(settings.name, False, status.problem, status.help or command)
    name = pulled_name(settings.model, status.models)
    if name is None:
        return Readiness(settings.name, False, f"Ollama {status.version} has no {settings.model}", f"ollama pull {settings.model}")
    shown = _shown(status.url, name, settings.proxy) if settings.think is not None or status.windows[name] is None else {}
    refused = thinking_refused(settings, shown)
    if refused:
        return Readiness(settings.name, False, refused, "leave llm.think out, or set it to null")
    warnings = [double_warning(status.url)] if DOUBLE in status.version else []
    window = status.windows[name] or context_length(shown.get("model_info") or {})
    warnings += filter(None, [window_warning(settings, window)])
    return Readiness(
        settings.name, True, f"Ollama {status.version} at {status.url} has {settings.model}", warning="; ".join(warnings)
    )


def thinking_refused(settings: LlmSettings, shown: Mapping[str, Any]) -> str:
    """Return why a model cannot think as `llm.think` asks, by what /api/show says of it; empty where it can, or nothing is known.

    Ollama refuses some values only with the first question, and takes others for its default without a word.
    """
    values = thinking_values(shown)
    if settings.think is None or values is None or settings.think in values:
        return ""
    asked = f"llm.think={_as_typed(settings.think)}"
    if values == (False,):
        return f"{asked}: {settings.model} does not think"
    *first, last = map(_as_typed, values)
    return f"{asked}: {settings.model} takes {', '.join(first)}{' or ' if first else ''}{last}"


def thinking_values(shown: Mapping[str, Any]) -> tuple[bool | str, ...] | None:
    """Return the values of `think` that a model takes, by what /api/show says of it; None where that is not known."""
    listed = (shown.get("thinking") or {}).get("values")
    if listed:
        return tuple(listed)
    abilities = shown.get("capabilities")
    if not abilities:
        return None
    if "thinking" not in abilities:
        return (False,)
    # Servers before autumn 2026 do not list the values.
    is_gpt_oss = (shown.get("details") or {}).get("family") in ("gptoss", "gpt-oss")
    return THINKING_LEVELS if is_gpt_oss else (True, False)


def _as_typed(value: object) -> str:
    return str(value).lower()


def ends_soon(settings: LlmSettings, end: date | None, who: str) -> str:
    """Return a warning where the model's end, `end`, has come or is less than 90 days away; `who` ends it."""
    days = (end - date.today()).days if end else SOON_DAYS
    if days >= SOON_DAYS:
        return ""
    when = (
        f"ended {settings.model} on {end}"
        if days <= 0
        else f"ends {settings.model} on {end}, in {days} day{'' if days == 1 else 's'}"
    )
    return f"{who} {when}{f'; then llm={settings.successor}' if settings.successor else ''}"


def window_warning(settings: LlmSettings, window_tokens: int | None) -> str:
    """Return a warning when `llm.num_ctx` does not fit the model's window, else an empty text."""
    if window_tokens is None:
        return ""
    if settings.num_ctx is None:
        return (
            f"llm.num_ctx is null, so the server takes a window of its own choice, often 4096; "
            f"{settings.model} has one of {window_tokens} tokens: set llm.num_ctx"
        )
    if settings.num_ctx > window_tokens:
        return (
            f"llm.num_ctx={settings.num_ctx} is more than the window of {settings.model}, {window_tokens} tokens: set at most that"
        )
    return ""


def double_warning(address: str) -> str:
    """Return the warning that a test double answers, not a model."""
    return f"the server at {address} {TEST_DOUBLE}: its answers are random configurations"


def pulled_name(model: str, pulled: Iterable[str]) -> str | None:
    """Return the name under which Ollama lists `model`, None when it is not listed.

    Case is ignored. A name without a tag means `:latest`, and a name without a registry means Ollama's own registry.
    """
    return next((name for name in pulled if _canonical(name) == _canonical(model)), None)


def _canonical(name: str) -> str:
    lower = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return lower if ":" in lower.rpartition("/")[2] else f"{lower}:latest"


def _window_of(entry: Mapping[str, Any]) -> int | None:
    """Return the window of a model in an entry of /api/tags, None from servers before 2026, which do not list it."""
    details = entry.get("details") or {}
    window = entry.get("context_length") or details.get("context_length")
    return window if isinstance(window, int) else None


def _shown(url: str, model: str, proxy: str | None) -> Mapping[str, Any]:
    """Return what an Ollama server says of a model (/api/show), nothing where it does not answer as it should."""
    key, route = read_key("OLLAMA_API_KEY"), route_to(url, proxy)
    try:
        shown = get_json(f"{url}/api/show", timeout_seconds=PROBE_SECONDS, key=key, body={"model": model}, route=route)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return shown if isinstance(shown, Mapping) else {}


def context_length(model_info: Mapping[str, Any]) -> int | None:
    """Return the window in tokens from a model file's metadata, whose key begins with the architecture's name."""
    return next((int(value) for key, value in model_info.items() if key.endswith(".context_length")), None)


def get_json(url: str, *, timeout_seconds: float, key: str | None = None, body: Any = None, route: Route = DIRECT) -> Any:
    """Fetch a JSON document; with a `body`, by POST. Raises what urllib, http.client and json raise."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"} if data else {})
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")  # another server has no business with it
    if route.proxy and not route.proxy.startswith("http:"):
        return _by_httpx(request, timeout_seconds, route.proxy)
    proxies = dict.fromkeys(("http", "https"), route.proxy) if route.proxy else {}
    with urllib.request.build_opener(urllib.request.ProxyHandler(proxies)).open(request, timeout=timeout_seconds) as response:
        return json.loads(response.read(1 << 22))


def _by_httpx(request: urllib.request.Request, timeout_seconds: float, proxy: str) -> Any:
    """Fetch it through a proxy that urllib does not know: SOCKS, or one that is spoken to by TLS. Raises what urllib would."""
    import httpx  # noqa: PLC0415 - 0.3 s

    try:
        with httpx.Client(transport=httpx.HTTPTransport(proxy=proxy), timeout=timeout_seconds, follow_redirects=True) as client:
            content: Any = request.data
            answer = client.request(request.get_method(), request.full_url, headers=dict(request.header_items()), content=content)
    except httpx.HTTPError as error:
        raise urllib.error.URLError(str(error)) from error
    if answer.status_code >= 400:
        fields = http.client.HTTPMessage()
        raise urllib.error.HTTPError(request.full_url, answer.status_code, answer.reason_phrase, fields, io.BytesIO(answer.content))
    return answer.json()
