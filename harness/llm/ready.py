"""Is an LLM ready to answer? Quick, read-only questions for `python -m harness.doctor`; nothing here raises.

Each backend class has a static `ready(settings)` that asks its own; `readiness` finds it. Standard library only: the doctor must not
wait for the clients to import.
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any, cast

from harness.errors import HarnessError
from harness.llm.config import LlmSettings
from harness.llm.scrub import one_line
from harness.readiness import Readiness as Readiness  # the backends take it from here

PROBE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class OllamaStatus:
    """What an Ollama server says of itself; `models` are the pulled ones, `problem` is why it does not answer."""

    url: str
    up: bool
    version: str = ""
    models: tuple[str, ...] = ()
    problem: str = ""


def readiness(settings: LlmSettings) -> Readiness:
    """Say whether the LLM of these settings can answer now, and if not, what makes it ready."""
    from harness.llm.build import backend_class  # noqa: PLC0415 - build imports the wrappers, which the doctor does not need

    try:
        return cast(Readiness, backend_class(settings).ready(settings))
    except HarnessError as error:
        return Readiness(settings.name, False, str(error))
    except Exception as error:  # a check that breaks is an answer too: not ready
        return Readiness(settings.name, False, one_line(f"{type(error).__name__}: {error}", limit=200))


def ollama_url(base_url: str | None) -> str:
    """Return the address of Ollama: `base_url`, else $OLLAMA_HOST, else http://127.0.0.1:11434; scheme and port filled in."""
    text = (base_url or os.environ.get("OLLAMA_HOST") or "127.0.0.1").strip().rstrip("/")
    scheme, _, rest = text.rpartition("://")
    host, _, path = rest.partition("/")
    if ":" not in host.rpartition("]")[2] and not scheme:
        host += ":11434"
    return f"{scheme or 'http'}://{host}{'/' + path if path else ''}"


def ollama_status(base_url: str | None = None, *, timeout_seconds: float = PROBE_SECONDS) -> OllamaStatus:
    """Ask an Ollama server for its version and its models."""
    url = ollama_url(base_url)
    try:
        version = get_json(f"{url}/api/version", timeout_seconds=timeout_seconds)["version"]
        models = get_json(f"{url}/api/tags", timeout_seconds=timeout_seconds)["models"]
        return OllamaStatus(url, True, str(version), tuple(str(model["name"]) for model in models))
    except urllib.error.URLError as error:
        return OllamaStatus(url, False, problem=f"no Ollama at {url} ({one_line(str(error.reason), limit=100)})")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return OllamaStatus(url, False, problem=f"what answers at {url} is not Ollama ({one_line(str(error), limit=100)})")


def ollama_ready(settings: LlmSettings) -> Readiness:
    """Say whether the server is up and has the model."""
    status = ollama_status(settings.base_url)
    if not status.up:
        start = f"ollama serve && ollama pull {settings.model}"
        command = (
            start if settings.base_url or shutil.which("ollama") else f"curl -fsSL https://ollama.com/install.sh | sh && {start}"
        )
        return Readiness(settings.name, False, status.problem, command)
    if not is_pulled(settings.model, status.models):
        return Readiness(settings.name, False, f"Ollama {status.version} has no {settings.model}", f"ollama pull {settings.model}")
    return Readiness(settings.name, True, f"Ollama {status.version} at {status.url} has {settings.model}")


def is_pulled(model: str, pulled: tuple[str, ...]) -> bool:
    """Say whether Ollama's list of names holds `model`; a name without a tag means `:latest`."""
    return (model if ":" in model else f"{model}:latest") in pulled


def get_json(url: str, *, timeout_seconds: float, key: str | None = None) -> Any:
    """Fetch a JSON document. Raises what urllib and json raise."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        return json.loads(response.read(1 << 22))
