"""A local model inside this process: llama.cpp runs any GGUF file, without a server (package `xllamacpp`, extra `llama-cpp`).

The JSON schema is sent as a grammar, which enforces keys, types, enumerations and ranges (see `local.engine.grammar_of`). Replies must be
checked all the same: one that is cut off at `max_tokens` does not fit the schema, and with `reply_format=prompt` nothing is enforced.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.llm.backend import ModelFacts, Reply, ReplyFormat, Request, Token
from harness.llm.deadline import call_with_deadline
from harness.llm.errors import BackendError, BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
from harness.llm.local import engine
from harness.llm.local.header import Header, NotGguf, read_header
from harness.llm.local.memory import free_bytes, megabytes, needed_bytes
from harness.llm.local.weights import SHA256, file_digest, parts_of, place, sha256_of
from harness.llm.probe import Readiness, window_warning
from harness.llm.settings import LlmSettings

INSTALL = "pip install 'tcs-harness[llama-cpp]'"
_SET_PATH = "set llm.path=FILE.gguf"
_STOP_SECONDS = 5.0  # how long Ctrl-C waits for the engine, which stops between two tokens


class LlamaCpp:
    """Uses the settings path, sha256, install, chat_template, threads and timeout_seconds. Window and decoding are in each request.

    `llm.chat_template` null means the template in the file; give a name such as `chatml` for a GGUF file without a template. The number
    of threads does not change a reply.
    """

    takes_grammars = True
    one_call_at_a_time = True  # the engine is one model with one state

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        problem, command = _problem(settings)
        if problem:
            return Readiness(settings.name, False, problem, command)
        file, header = _file(settings)
        needed = needed_bytes(file, header, settings.num_ctx)
        free = free_bytes()
        if needed > free:
            reason = (
                f"{file.name} needs about {megabytes(needed)} of memory with llm.num_ctx={settings.num_ctx or 'null'}, and "
                f"{megabytes(free)} are free"
            )
            return Readiness(settings.name, False, reason, "end other programs, or set a smaller llm.num_ctx or a smaller model")
        window = header.of_architecture("context_length")
        reason = f"{file.name} is there; it takes about {megabytes(needed)} of memory ({_licence(settings, header)})"
        # Without llm.num_ctx the engine takes the whole window, so that there is nothing to warn of.
        warning = "" if settings.num_ctx is None else window_warning(settings, window)
        return Readiness(settings.name, True, reason, warning=warning, notice=_licence(settings, header))

    def complete(self, request: Request) -> Reply:
        self._refuse()
        stop, ended = threading.Event(), threading.Event()

        def call() -> Reply:
            try:
                return self._complete(request, stop)
            finally:
                ended.set()

        def abandon() -> None:
            stop.set()
            ended.wait(_STOP_SECONDS)

        return call_with_deadline(
            call, who="llama.cpp", deadline_seconds=self._settings.timeout_seconds, abandon=abandon, translate=_translate
        )

    def count_tokens(self, request: Request) -> int:
        """Return the exact number of tokens of a prompt, chat template included. Raises BackendError."""
        self._refuse()
        try:
            return self._engine(request).count(_prompt(request), raw=request.raw)
        except Exception as error:
            raise _translate(error) from error

    def _refuse(self) -> None:
        problem, command = _problem(self._settings)
        if problem:
            raise NotReady(f"{problem}: {', then '.join(command.splitlines())}")

    def _engine(self, request: Request) -> engine.Engine:
        file, _ = _file(self._settings)
        try:
            return engine.loaded(file, request.num_ctx or 0, self._settings.chat_template, self._settings.threads or 1)
        except RuntimeError as error:
            raise NotReady(
                f"llama.cpp cannot load {file} ({error}): is it a language model, and is there memory for it?"
            ) from error

    def _complete(self, request: Request, stop: threading.Event) -> Reply:
        start = time.perf_counter()
        loaded = self._engine(request)
        ready = time.perf_counter()
        try:
            answer = loaded.complete(_body(request), raw=request.raw, stop=stop)
        except engine.EngineRefused as refused:
            raise _refusal(refused.error, request) from refused
        return Reply(
            text=answer.text,
            thinking=answer.thinking,
            facts=self._facts(request),
            prompt_tokens=answer.usage.get("prompt_tokens"),
            completion_tokens=answer.usage.get("completion_tokens"),
            seconds=round(time.perf_counter() - start, 6),
            load_seconds=round(ready - start, 6),
            finish_reason=answer.finish_reason,
            tokens=Token.read(answer.tokens) if request.top_logprobs else (),
        )

    def _facts(self, request: Request) -> ModelFacts:
        file, header = _file(self._settings)
        return ModelFacts(
            backend="llama_cpp",
            model=request.model or self._settings.model_name,
            server=engine.version(),
            digest=SHA256 + self._settings.sha256 if self._settings.sha256 else file_digest(file),
            parameters=header.text("general.size_label") or None,
            family=header.text("general.architecture") or None,
            context_tokens=header.of_architecture("context_length"),
            reply_format=None if request.schema is None else str(request.reply_format),
        )


def _prompt(request: Request) -> dict[str, object]:
    """Return the part of a request that makes the prompt."""
    if request.raw:
        return {"prompt": request.messages[0].content}
    prompt: dict[str, object] = {"messages": request.wire_messages(request.reply_format)}
    if request.think is not None:
        level = isinstance(request.think, str)
        prompt["chat_template_kwargs"] = {"reasoning_effort" if level else "enable_thinking": request.think}
    return prompt


def _body(request: Request) -> dict[str, object]:
    body: dict[str, object | None] = {
        **_prompt(request),
        "seed": request.seed,
        "temperature": request.temperature,
        "max_tokens": request.max_tokens,
        "grammar": request.grammar,
        # With a cached prefix the prompt is computed in other batches, and its last bits could differ from run to run.
        "cache_prompt": False,
        "logprobs": bool(request.top_logprobs) or None,
        "top_logprobs": request.top_logprobs or None,
    }
    if request.schema is not None and request.reply_format is ReplyFormat.SCHEMA:
        body["grammar"] = engine.grammar_of(request.schema)
    elif request.schema is not None and request.reply_format is ReplyFormat.JSON:
        body["response_format"] = {"type": "json_object"}
    return {name: value for name, value in body.items() if value is not None}


def _refusal(error: Mapping[str, Any], request: Request) -> BackendError:
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


def _problem(settings: LlmSettings) -> tuple[str, str]:
    """Return what is missing and the command that installs or sets it; two empty texts when nothing is missing."""
    if importlib.util.find_spec("xllamacpp") is None:
        missing = bool(settings.install and settings.path) and place(str(settings.path)) is None
        return "llama.cpp is not installed", f"{INSTALL}\n{settings.install}" if missing else INSTALL
    path, remedy = settings.path, settings.install or _SET_PATH
    if not path:
        return "no model file", remedy
    file = place(path)
    if file is None:
        return f"{settings.model_name or path} is not installed", remedy
    try:
        header = read_header(file)
        for part in parts_of(file)[1:]:
            read_header(part)
        if settings.sha256 and (found := sha256_of(file)) != settings.sha256:
            return f"{file} is another file than llm.sha256 says: its SHA-256 is {found}", remedy
    except OSError as error:
        return f"{error.filename or file}: {error.strerror}", remedy
    except NotGguf as error:
        return f"{file} {error}", remedy
    if "tokenizer.ggml.model" not in header.metadata:
        return f"{file} is a GGUF file without a vocabulary, not a language model", _SET_PATH
    return "", ""


def _file(settings: LlmSettings) -> tuple[Path, Header]:
    """Return the model's file and its header, where `_problem` has found none."""
    file = place(str(settings.path))
    assert file is not None
    return file, read_header(file)


def _licence(settings: LlmSettings, header: Header) -> str:
    """Say whose weights these are and under which licence, as far as the file says it."""
    maker, licence = header.text("general.organization"), header.text("general.license")
    said = f"licence {licence}" if licence else "its file names no licence"
    return f"weights {settings.model_name}{f' by {maker}' if maker else ''}, {said}"
