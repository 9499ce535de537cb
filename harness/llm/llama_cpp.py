"""A local model inside this process: llama.cpp through the prebuilt `xllamacpp` wheel (extra `llama-cpp`), any GGUF file, no server.

The JSON schema becomes a grammar that holds keys, types, enumerations and ranges (those of floats in recent releases only). A reply
that is cut off at `max_tokens` breaks it all the same, and with `reply_format=prompt` nothing is held: replies still need checking.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import secrets
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.llm.backend import ModelFacts, Reply, ReplyFormat, Request
from harness.llm.deadline import cross
from harness.llm.errors import BackendError, BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.probe import Readiness
from harness.llm.settings import LlmSettings

INSTALL = "pip install 'tcs-harness[llama-cpp]'"
_WHOLE_FILE_BYTES = 256 << 20


class LlamaCpp:
    """Uses the settings path, chat_template, threads and timeout_seconds; the window (`num_ctx`) and decoding come with each request.

    `llm.chat_template` null means the file's own template; a name such as `chatml` serves a GGUF that holds none.
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
        return cross(
            lambda: self._complete(request),
            who="llama.cpp",
            deadline_seconds=self._settings.timeout_seconds,
            # A generation inside the process cannot be stopped; the next call gets an engine of its own.
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


@lru_cache(maxsize=1)
def _engine(path: Path, num_ctx: int, chat_template: str | None, threads: int) -> Any:
    """Load a model, and keep it for the next cell. `num_ctx` 0 means the window that the model was trained for."""
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = num_ctx
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.warmup = False
    params.verbosity = -1  # its log would write over the progress display
    # The engine also listens on a local port, and answers nobody there without this.
    params.api_keys = [secrets.token_hex(16)]
    if chat_template:
        params.chat_template = chat_template
        params.use_jinja = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise NotReady(f"llama.cpp cannot load {path} ({error}): is it a whole GGUF file, and is there memory for it?") from error


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "messages": request.wire_messages(request.reply_format),
        "seed": request.seed,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        # A reused prefix is computed in other batches, and its last bits could differ from run to run.
        "cache_prompt": False,
    }
    if request.think is not None:
        level = isinstance(request.think, str)
        body["chat_template_kwargs"] = {"reasoning_effort" if level else "enable_thinking": request.think}
    if request.schema is not None and request.reply_format is ReplyFormat.SCHEMA:
        held = {"name": "reply", "schema": dict(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": held}
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
    """Return what is missing and the command that brings it; empty texts when nothing is."""
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
    xllamacpp: Any = importlib.import_module("xllamacpp")
    version = f"xllamacpp {xllamacpp.__version__}"
    return ModelFacts("llama_cpp", path.name, server=version, digest=_file_digest(path), reply_format=reply_format)


def _file_digest(path: Path) -> str:
    """Hash a model file; of a large one, its size, head and tail, which hold the metadata and the last tensors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= _WHOLE_FILE_BYTES:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        part = hashlib.sha256(str(size).encode())
        part.update(file.read(_WHOLE_FILE_BYTES // 2))
        file.seek(-_WHOLE_FILE_BYTES // 2, 2)
        part.update(file.read())
    return f"sha256-of-head-and-tail:{part.hexdigest()}"
