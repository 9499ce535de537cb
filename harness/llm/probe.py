"""Is an LLM ready to answer? Quick, read-only questions, for `python -m harness.doctor` and before a run.

Each backend class has a static `ready(settings)` that asks its own; `readiness` finds it, and never raises. Standard library only: the
doctor must not wait for the clients to import.
"""

from __future__ import annotations

import http.client
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from harness.errors import HarnessError
from harness.llm.backend import DOUBLE
from harness.llm.endpoint import ollama_url, read_key, state_of
from harness.llm.settings import LlmSettings
from harness.readiness import Readiness as Readiness  # the backends take it from here
from harness.scrub import one_line

PROBE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class OllamaStatus:
    """What an Ollama server says of itself; `problem` is why it does not answer.

    `windows` holds the pulled models and the window of each in tokens, None where the server's list does not say.
    """

    url: str
    up: bool
    version: str = ""
    windows: Mapping[str, int | None] = field(default_factory=dict)
    problem: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """The pulled models."""
        return tuple(self.windows)


def readiness(settings: LlmSettings) -> Readiness:
    """Say whether the LLM of these settings can answer now, and if not, what makes it ready."""
    from harness.llm.build import backend_class  # noqa: PLC0415 - build imports the wrappers, which the doctor does not need

    try:
        return cast(Readiness, backend_class(settings).ready(settings))
    except HarnessError as error:
        return Readiness(settings.name, False, str(error))
    except Exception as error:  # a check that breaks is an answer too: not ready
        return Readiness(settings.name, False, one_line(f"{type(error).__name__}: {error}", limit=200))


def ollama_status(base_url: str | None = None, *, timeout_seconds: float = PROBE_SECONDS) -> OllamaStatus:
    """Ask an Ollama server for its version and its models. Raises SettingsError for an address or a key that makes no sense."""
    url, key = ollama_url(base_url), read_key("OLLAMA_API_KEY")
    try:
        version = get_json(f"{url}/api/version", timeout_seconds=timeout_seconds, key=key)["version"]
        listed = get_json(f"{url}/api/tags", timeout_seconds=timeout_seconds, key=key)["models"]
        windows = {str(entry["name"]): _window_of(entry) for entry in listed}
        return OllamaStatus(url, True, str(version), windows)
    except urllib.error.HTTPError as error:
        said = one_line(f"{error.code} {error.reason}", limit=100)
        lets_in = f"; {state_of('OLLAMA_API_KEY')}" if error.code in (401, 403) else ""
        return OllamaStatus(url, False, problem=f"what answers at {url} is not Ollama, or lets nobody in (it says {said}{lets_in})")
    except urllib.error.URLError as error:
        return OllamaStatus(url, False, problem=f"no Ollama at {url} ({one_line(str(error.reason), limit=100)})")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, http.client.HTTPException) as error:
        return OllamaStatus(url, False, problem=f"what answers at {url} is not Ollama ({one_line(str(error), limit=100)})")


def ollama_ready(settings: LlmSettings) -> Readiness:
    """Say whether the server is up and has the model, and whether `llm.num_ctx` fits the model's window."""
    status = ollama_status(settings.base_url)
    if not status.up:
        # Two lines: `ollama serve` does not end.
        command = f"ollama serve\nollama pull {settings.model}"
        if not (settings.base_url or shutil.which("ollama")):
            command = f"curl -fsSL https://ollama.com/install.sh | sh\n{command}"
        return Readiness(settings.name, False, status.problem, command)
    name = pulled_name(settings.model, status.models)
    if name is None:
        return Readiness(settings.name, False, f"Ollama {status.version} has no {settings.model}", f"ollama pull {settings.model}")
    warnings = [double_warning(status.url)] if DOUBLE in status.version else []
    window = status.windows[name] or _trained_window(status.url, name)
    warnings += filter(None, [window_warning(settings, window)])
    return Readiness(
        settings.name, True, f"Ollama {status.version} at {status.url} has {settings.model}", warning="; ".join(warnings)
    )


def window_warning(settings: LlmSettings, window_tokens: int | None) -> str:
    """Return one line when `llm.num_ctx` and the model's window do not fit each other, else nothing."""
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
    """Return the line that says that no model answers."""
    return f"the server at {address} is a test double: its answers are random configurations"


def pulled_name(model: str, pulled: Iterable[str]) -> str | None:
    """Return the name under which Ollama lists `model`, None when it does not.

    Case does not count, a name without a tag means `:latest`, and one without a registry Ollama's own.
    """
    return next((name for name in pulled if _canonical(name) == _canonical(model)), None)


def _canonical(name: str) -> str:
    lower = name.lower().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return lower if ":" in lower.rpartition("/")[2] else f"{lower}:latest"


def _window_of(entry: Mapping[str, Any]) -> int | None:
    """Return the window that /api/tags gives a model; servers before 2026 give none."""
    details = entry.get("details") or {}
    window = entry.get("context_length") or details.get("context_length")
    return window if isinstance(window, int) else None


def _trained_window(url: str, model: str) -> int | None:
    """Ask an Ollama server for a model's window; None when it does not say."""
    try:
        shown = get_json(f"{url}/api/show", timeout_seconds=PROBE_SECONDS, key=read_key("OLLAMA_API_KEY"), body={"model": model})
        return context_length(shown.get("model_info") or {})
    except (OSError, ValueError, TypeError, AttributeError, http.client.HTTPException):
        return None


def context_length(model_info: Mapping[str, Any]) -> int | None:
    """Return the window in tokens from a model file's metadata, where it stands under the architecture's name."""
    return next((int(value) for key, value in model_info.items() if key.endswith(".context_length")), None)


def get_json(url: str, *, timeout_seconds: float, key: str | None = None, body: Any = None) -> Any:
    """Fetch a JSON document; with a `body`, by POST. Raises what urllib, http.client and json raise."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        return json.loads(response.read(1 << 22))
