"""A local model inside this process: llama.cpp runs any GGUF file, without a server (package `xllamacpp`, extra `llama-cpp`).

llama.cpp turns the JSON schema into a grammar, which enforces keys, types, enumerations and ranges (ranges of floats in recent releases
only). Replies must be checked all the same: one that is cut off at `max_tokens` does not fit the schema, and with `reply_format=prompt`
nothing is enforced.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import secrets
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from harness.llm.backend import ModelFacts, Reply, ReplyFormat, Request
from harness.llm.deadline import call_with_deadline
from harness.llm.errors import BackendError, BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.probe import Readiness
from harness.llm.settings import LlmSettings

INSTALL = "pip install 'tcs-harness[llama-cpp]'"
_WHOLE_FILE_BYTES = 256 << 20


class LlamaCpp:
    """Uses the settings path, chat_template, threads and timeout_seconds. The window (`num_ctx`) and decoding are in each request.

    `llm.chat_template` null means the template in the file; give a name such as `chatml` for a GGUF file without a template.
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        problem, command = _problem(settings.path)
        if problem:
            return Readiness(settings.name, False, problem, command)
        return Readiness(settings.name, True, f"xllamacpp is installed, {settings.path} is there")

    def complete(self, request: Request) -> Reply:
        problem, command = _problem(self._settings.path)
        if problem:
            raise NotReady(f"{problem}: {command}")
        return call_with_deadline(
            lambda: self._complete(request),
            who="llama.cpp",
            deadline_seconds=self._settings.timeout_seconds,
            # A generation inside this process cannot be stopped. The next call loads a new engine.
            abandon=_engine.cache_clear,
            translate=_translate,
        )

    def _complete(self, request: Request) -> Reply:
        path = Path(str(self._settings.path)).resolve()
        start = time.perf_counter()
        threads = self._settings.threads or len(os.sched_getaffinity(0))
        engine = _engine(path, request.num_ctx or 0, self._settings.chat_template, threads)
        loaded = time.perf_counter()
        answer = engine.handle_chat_completions(_body(request))
        seconds = round(time.perf_counter() - start, 6)
        if "error" in answer:
            raise _refusal(answer["error"], request)
        choice, usage = answer["choices"][0], answer["usage"]
        return Reply(
            text=choice["message"].get("content") or "",
            thinking=choice["message"].get("reasoning_content") or "",
            facts=_facts(path, None if request.schema is None else str(request.reply_format)),
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            seconds=seconds,
            load_seconds=round(loaded - start, 6),
            finish_reason=choice.get("finish_reason") or "",
        )


class _Engine(Protocol):
    """The part of `xllamacpp.Server` that is used here."""

    def handle_chat_completions(self, body: Mapping[str, object]) -> dict[str, Any]: ...


@lru_cache(maxsize=1)
def _engine(path: Path, num_ctx: int, chat_template: str | None, threads: int) -> _Engine:
    """Load a model, and keep it for the next cell. `num_ctx` 0 means the window that the model was trained for."""
    xllamacpp = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = num_ctx
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.warmup = False
    params.verbosity = -1  # its log would overwrite the progress display
    # The engine also listens on a local port. With this random key, no other program gets an answer there.
    params.api_keys = [secrets.token_hex(16)]
    if chat_template:
        params.chat_template = chat_template
        params.use_jinja = False
    try:
        engine: _Engine = xllamacpp.Server(params)
    except RuntimeError as error:
        raise NotReady(f"llama.cpp cannot load {path} ({error}): is it a whole GGUF file, and is there memory for it?") from error
    return engine


def _body(request: Request) -> dict[str, object]:
    body: dict[str, object] = {
        "messages": request.wire_messages(request.reply_format),
        "seed": request.seed,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        # With a cached prefix the prompt is computed in other batches, and its last bits could differ from run to run.
        "cache_prompt": False,
    }
    if request.think is not None:
        level = isinstance(request.think, str)
        body["chat_template_kwargs"] = {"reasoning_effort" if level else "enable_thinking": request.think}
    if request.schema is not None and request.reply_format is ReplyFormat.SCHEMA:
        json_schema = {"name": "reply", "schema": dict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
    elif request.schema is not None and request.reply_format is ReplyFormat.JSON:
        body["response_format"] = {"type": "json_object"}
    return {name: value for name, value in body.items() if value is not None}


def _refusal(error: dict[str, Any], request: Request) -> BackendError:
    text = str(error.get("message", error))
    if error.get("type") == "exceed_context_size_error":
        return TruncatedPrompt(
            f"llama.cpp refuses the prompt of trial {request.trial}: {text}. Raise llm.num_ctx, or shorten the context",
            prompt_tokens=error.get("n_prompt_tokens"),
            window_tokens=error.get("n_ctx"),
        )
    if int(error.get("code", 400)) >= 500:
        return TransportFault(f"llama.cpp: {text}")
    return BadRequest(f"llama.cpp refuses the request: {text}")


def _translate(error: Exception) -> BackendError:
    if isinstance(error, BackendError):
        return error
    if isinstance(error, ValueError | RuntimeError):
        return BadRequest(f"llama.cpp refuses the request: {error}")
    return BackendUnavailable(f"llama.cpp: {type(error).__name__}: {error}")


def _problem(path: str | None) -> tuple[str, str]:
    """Return what is missing and the command that installs or sets it; two empty texts when nothing is missing."""
    if importlib.util.find_spec("xllamacpp") is None:
        return "llama.cpp is not installed", INSTALL
    if not path:
        return "no model file", "set llm.path=FILE.gguf"
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        return f"{path}: {error.strerror}", "set llm.path=FILE.gguf"
    return ("", "") if magic == b"GGUF" else (f"{path} is not a GGUF file", "set llm.path=FILE.gguf")


@lru_cache(maxsize=4)
def _facts(path: Path, reply_format: str | None) -> ModelFacts:
    xllamacpp = importlib.import_module("xllamacpp")
    version = f"xllamacpp {xllamacpp.__version__}"
    return ModelFacts("llama_cpp", path.name, server=version, digest=_file_digest(path), reply_format=reply_format)


def _file_digest(path: Path) -> str:
    """Hash a model file. Of a large file, hash the size, the head (metadata) and the tail (last tensors) only."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE_FILE_BYTES:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        part = hashlib.sha256(str(size).encode())
        part.update(file.read(_WHOLE_FILE_BYTES // 2))
        file.seek(-_WHOLE_FILE_BYTES // 2, 2)
        part.update(file.read())
    return f"sha256-of-head-and-tail:{part.hexdigest()}"
