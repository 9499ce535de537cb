"""The settings of an LLM, as in conf/llm/*.yaml."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from harness.errors import SettingsError, near
from harness.llm.backend import Message, ReplyFormat, Request, Schema
from harness.llm.endpoint import check_address, check_proxy, check_variable
from harness.llm.local.weights import SHA256, digest_of, header_of, is_sha256, names_weights
from harness.scrub import one_line


@dataclass(unsafe_hash=True)
class LlmSettings:
    """The LLM: a file of conf/llm.

    Not frozen, so that it can serve as a schema; nothing changes it. Nothing here is a secret: keys come from the environment variable
    that `key_env` names. The text below a field is its only description (see `harness.config.documented`).
    """

    name: str = "none"
    """name in the arm's name"""
    _target_: str = ""
    """class of the backend, as a dotted path; empty: no LLM"""
    model: str = ""
    """name of the model at the server"""
    small: bool | None = None
    """whether the report counts it as a small local model; null: where its backend is local"""
    remark: str = ""
    """what the report says of results with this model, in a sentence"""
    retires: dict[str, str] = field(default_factory=dict, hash=False)
    """{MODEL: DAY}: from which day, such as 2027-01-14, its provider no longer serves a model; it decides no result"""
    successor: str = ""
    """the LLM of conf/llm that takes the place of one whose model has retired"""
    disk_gb: float | None = None
    """gigabytes that the model takes on the disk, and about as much in memory; null: unknown"""
    base_url: str | None = None
    """address of the server; null: OLLAMA_HOST, OPENAI_BASE_URL, else the client's own default"""
    proxy: str | None = None
    """proxy on the way to the server, or none; null: HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, and none to a server on this machine"""
    key_env: str = ""
    """environment variable that holds the key; empty: none is needed"""
    path: str | None = None
    """llama_cpp: the GGUF file, or `pkg:PACKAGE/FILE` for one in a Python package; replay: a folder or file with records of calls"""
    sha256: str | None = None
    """llama_cpp: SHA-256 that the file must have; null: any"""
    install: str = ""
    """llama_cpp: command that brings the file"""
    chat_template: str | None = None
    """llama_cpp: template for a GGUF file that holds none"""
    threads: int | None = None
    """llama_cpp: null: 1, because with more it stands still while another process uses a core"""
    replay: str | None = None
    """answer from the records in this folder instead of asking the model"""

    temperature: float | None = None
    """0 to 2; null, here and in the next three: the server's default"""
    max_tokens: int | None = None
    """most tokens of a reply, thinking included"""
    num_ctx: int | None = None
    """context window in tokens"""
    think: Any = None
    """true | false | low | medium | high: switch the model's thinking on or off, or how much it thinks, where the server can"""
    reply_format: str = "schema"
    """schema | json | prompt: what holds the reply to its form"""

    keep_alive: str | None = None
    """ollama: how long the model stays loaded after a call: 10m, or a number of seconds; 0: not at all; -1: for ever"""
    timeout_seconds: float = 600.0
    """limit of one call, from sending to the last byte"""
    tries: int = 5
    """how often a call is sent when the transport fails"""
    first_wait_seconds: float = 1.0
    """wait before the second try; doubled before each further one"""
    longest_wait_seconds: float = 60.0
    """longest wait between two tries; a server that asks for more counts as down"""
    connections: int | None = None
    """most calls in flight, by cells side by side in one process, up to 200; null: 10 for OpenAI's API, 4 for Ollama, 1 for others"""

    cap_tokens: int | None = None
    """most tokens of a cell; null: no cap"""
    cap_seconds: float | None = None
    """most seconds of a cell's calls; null: no cap"""
    cap_usd: float | None = None
    """most US dollars of all cells of a study together, as one process counts them; null: no cap"""
    prices: str | None = None
    """price file; null: the one that comes with the harness"""

    def __post_init__(self) -> None:
        _check(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> LlmSettings:
        """Read plain data. Raises SettingsError for an unknown key or an invalid value."""
        known = [f.name for f in fields(cls)]
        for key in data:
            if key not in known:
                raise SettingsError(f"llm.{key}: no such setting{near(key, known)}")
        return cls(**data)

    @property
    def keep_alive_sent(self) -> float | str | None:
        """What Ollama takes: a number of seconds as a number, a length of time with its unit as text."""
        return float(self.keep_alive) if self.keep_alive and _SECONDS.fullmatch(self.keep_alive) else self.keep_alive

    @property
    def model_name(self) -> str:
        """The name of the model; for a GGUF file without `model`, its name by its own words, empty where the file is not there."""
        if self.model or not (self.path and names_weights(self.path)):
            return self.model
        header = header_of(self.path)
        return "" if header is None else one_line(header.name, limit=100) or Path(self.path).stem

    @property
    def end(self) -> date | None:
        """The day from which the model's provider no longer serves it, as `retires` says; None where that is not known."""
        day = self.retires.get(self.model)
        return date.fromisoformat(day) if day else None

    def identity(self) -> dict[str, object]:
        """Return the settings that decide the answers, for the identity of a cell. Address and time limits are not among them.

        For a GGUF file the model is the digest of the file, not its name: `sha256` where it is given, so that a replay needs no file.
        Where neither is there, nothing can run but a replay, and the model is the file's name.
        """
        keep = ("_target_", "model", "temperature", "max_tokens", "num_ctx", "think", "reply_format", "chat_template")
        return {name.strip("_"): getattr(self, name) for name in keep} | {"model": self._model_identity()}

    def _model_identity(self) -> str:
        if not (self.path and names_weights(self.path)):
            return self.model
        if self.sha256:
            return SHA256 + self.sha256
        return digest_of(self.path) or self.model or Path(self.path).name

    def request(self, messages: Sequence[Message], *, schema: Schema | None, seed: int | None, trial: int, call: int) -> Request:
        """Return a request with the model and the decoding settings of this LLM."""
        return Request(
            messages=tuple(messages),
            model=self.model_name,
            schema=schema,
            reply_format=ReplyFormat(self.reply_format),
            seed=seed,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            num_ctx=self.num_ctx,
            think=self.think,
            trial=trial,
            call=call,
        )


_SECONDS = re.compile(r"-?\d+(\.\d+)?")
_LENGTH_OF_TIME = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+")  # as Go reads it
THINKING_LEVELS = ("low", "medium", "high")
_SWITCHES = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}

# A process may have 1,024 files open, and a cell has four or five.
MOST_CONNECTIONS = 200

_POSITIVE = (
    "max_tokens",
    "num_ctx",
    "threads",
    "timeout_seconds",
    "tries",
    "first_wait_seconds",
    "longest_wait_seconds",
    "connections",
    "disk_gb",
    "cap_tokens",
    "cap_seconds",
    "cap_usd",
)


def _check(settings: LlmSettings) -> None:
    for name in _POSITIVE:
        value = getattr(settings, name)
        if value is not None and not 0 < value < math.inf:
            raise SettingsError(f"llm.{name}={value}: must be above 0{', and finite' if value == math.inf else ''}")
    if settings.connections is not None and settings.connections > MOST_CONNECTIONS:
        raise SettingsError(f"llm.connections={settings.connections}: at most {MOST_CONNECTIONS} in one process")
    if settings.temperature is not None and not 0 <= settings.temperature <= 2:
        raise SettingsError(f"llm.temperature={settings.temperature}: must be from 0 to 2")
    if settings.reply_format not in tuple(ReplyFormat):
        raise SettingsError(f"llm.reply_format={settings.reply_format}{near(settings.reply_format, map(str, ReplyFormat))}")
    if settings.sha256 is not None and not is_sha256(settings.sha256):
        raise SettingsError(
            f"llm.sha256={settings.sha256}: must be 64 hexadecimal digits in lower case, as `sha256sum FILE` prints them"
        )
    if settings.base_url is not None:
        check_address(settings.base_url, "llm.base_url")
    if settings.proxy is not None:
        check_proxy(settings.proxy)
    for model, day in settings.retires.items():
        _check_day(model, day)
    settings.think = _think(settings.think)
    settings.keep_alive = _keep_alive(settings.keep_alive)
    check_variable(settings.key_env)


def _check_day(model: str, day: str) -> None:
    try:
        date.fromisoformat(day)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"llm.retires: {model}: {day} is no day; write one like 2027-01-14") from error


def _think(value: Any) -> bool | str | None:
    if value is None or isinstance(value, bool) or value in THINKING_LEVELS:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) and value.lower() in _SWITCHES:
        return _SWITCHES[value.lower()]
    raise SettingsError(f"llm.think={value}: must be true or false, or one of the levels low, medium and high, or null")


def _keep_alive(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    if not (_SECONDS.fullmatch(text) or _LENGTH_OF_TIME.fullmatch(text)):
        raise SettingsError(
            f"llm.keep_alive={text}: must be a length of time like 30m or 1h30m, or a number of seconds (0: unload at once, "
            f"-1: keep for ever)"
        )
    return text
