from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.settings import llm_settings
from harness.errors import SettingsError
from harness.llm.backend import Message, ReplyFormat
from harness.llm.budget import Prices
from harness.llm.build import backend_class, build_backend
from harness.llm.probe import Readiness, readiness
from harness.llm.settings import LlmSettings

CONF = Path(__file__).resolve().parents[2] / "conf" / "llm"
FILES = sorted(CONF.glob("*.yaml"))


def settings_of(path: Path) -> LlmSettings:
    merged = OmegaConf.merge(OmegaConf.structured(LlmSettings), OmegaConf.load(path))
    plain = OmegaConf.to_container(merged)
    assert isinstance(plain, dict)
    return LlmSettings.from_mapping({str(key): value for key, value in plain.items()})


def test_the_llms_of_the_paper_and_ways_to_bring_ones_own_are_there() -> None:
    names = {path.stem for path in FILES}
    assert {"phi4", "qwen", "gpt35", "gpt4", "smollm2", "llama_cpp", "openai_compatible", "replay", "none"} <= names
    assert {"gemma4", "gpt_oss", "ministral3", "qwen35", "gpt6_sol", "gpt6_luna"} <= names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_in_conf_is_one_llm_of_its_own_name(path: Path) -> None:
    settings = settings_of(path)
    assert settings.name == path.stem
    if settings.name != "none":
        assert callable(backend_class(settings))
        assert build_backend(settings, keep=lambda _: None), "nothing is connected to before the first call"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_readiness_of_every_file_is_an_answer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(path)
    # Nothing listens on port 9, whatever runs on this machine.
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    settings.base_url = settings.base_url and "http://127.0.0.1:9/v1"
    found = readiness(settings)
    assert isinstance(found, Readiness)
    assert not found.ready or path.stem == "smollm2", "whose weights may be there"
    assert found.reason
    assert "\n" not in found.reason


def test_no_llm_says_what_to_choose() -> None:
    with pytest.raises(SettingsError, match=r"llm=none: choose one, e\.g\. llm=phi4"):
        build_backend(settings_of(CONF / "none.yaml"), keep=lambda _: None)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tempurature": 0.5}, "llm.tempurature: no such setting; did you mean 'temperature'?"),
        ({"temperature": 3.0}, "llm.temperature=3.0: must be from 0 to 2"),
        ({"temperature": -0.1}, "llm.temperature=-0.1: must be from 0 to 2"),
        ({"num_ctx": 0}, "llm.num_ctx=0: must be above 0"),
        ({"max_tokens": -5}, "llm.max_tokens=-5: must be above 0"),
        ({"timeout_seconds": 0}, "llm.timeout_seconds=0: must be above 0"),
        ({"timeout_seconds": float("nan")}, "llm.timeout_seconds=nan: must be above 0"),
        ({"timeout_seconds": float("inf")}, "llm.timeout_seconds=inf: must be above 0, and finite"),
        ({"tries": 0}, "llm.tries=0: must be above 0"),
        ({"cap_usd": 0.0}, "llm.cap_usd=0.0: must be above 0"),
        ({"reply_format": "shema"}, "llm.reply_format=shema; did you mean 'schema'?"),
        ({"base_url": "ftp://x"}, "llm.base_url=ftp://x: must be like http://localhost:11434"),
        (
            {"keep_alive": "soon"},
            "llm.keep_alive=soon: must be a length of time like 30m or 1h30m, or a number of seconds "
            "(0: unload at once, -1: keep for ever)",
        ),
        ({"think": "much"}, "llm.think=much: must be true or false, or one of the levels low, medium and high, or null"),
        ({"think": 3}, "llm.think=3: must be true or false, or one of the levels low, medium and high, or null"),
        (
            {"proxy": "http://me:x@proxy"},
            "llm.proxy: leave user and password out of it (it is recorded); HTTPS_PROXY may hold them",
        ),
        ({"base_url": "http://"}, "llm.base_url=http://: must be like http://localhost:11434"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        LlmSettings.from_mapping(values)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("harness.llm.olama.Ollama", "cannot import 'harness.llm.olama'"),
        ("harness.llm.ollama.Olama", "has no 'Olama'; did you mean 'Ollama'?"),
        ("Ollama", "cannot import ''"),
    ],
)
def test_a_target_that_is_not_there_is_one_line(target: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        backend_class(LlmSettings(_target_=target))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("-1", -1.0),
        ("0", 0.0),
        ("300", 300.0),
        (300, 300.0),
        ("1.5", 1.5),
        ("30m", "30m"),
        ("-1m", "-1m"),
        ("1h30m", "1h30m"),
        (None, None),
    ],
)
def test_a_number_of_seconds_is_sent_as_a_number_and_a_length_of_time_as_text(given: Any, sent: Any) -> None:
    settings = LlmSettings(keep_alive=given)
    assert (settings.keep_alive_sent, type(settings.keep_alive_sent)) == (sent, type(sent))


@pytest.mark.parametrize("given", ["5 m", "30min", "1d", "", "inf", "nan", "m", "--1", "True", "5,5"])
def test_no_other_length_of_time_is_taken(given: str) -> None:
    with pytest.raises(SettingsError, match=r"llm\.keep_alive=.*: must be a length of time"):
        LlmSettings(keep_alive=given)


@pytest.mark.parametrize(
    ("given", "taken"),
    [(True, True), (False, False), (None, None), ("low", "low"), ("high", "high"), ("on", True), ("False", False)],
)
def test_thinking_is_switched_or_has_a_level(given: Any, taken: Any) -> None:
    assert LlmSettings(think=given).identity()["think"] is taken or taken == "low" or taken == "high"
    assert LlmSettings(think=given).identity()["think"] == taken


def test_the_identity_holds_what_decides_the_answers_and_nothing_else() -> None:
    settings = settings_of(CONF / "phi4.yaml")
    identity = settings.identity()
    for name, value in {
        "base_url": "http://gpu:11434",
        "timeout_seconds": 5.0,
        "keep_alive": "1h",
        "proxy": "none",
        "replay": "runs/x",
        "cap_tokens": 5,
    }.items():
        setattr(settings, name, value)
    assert settings.identity() == identity
    values = {
        "model": "x",
        "temperature": 0.1,
        "max_tokens": 5,
        "num_ctx": 5,
        "think": True,
        "reply_format": "json",
        "_target_": "x",
    }
    for name, value in values.items():
        changed = settings_of(CONF / "phi4.yaml")
        setattr(changed, name, value)
        assert changed.identity() != identity, name


def test_a_request_takes_its_decoding_from_the_settings() -> None:
    settings = settings_of(CONF / "phi4.yaml")
    request = settings.request([Message("user", "?")], schema=None, seed=3, trial=2, call=1)
    assert (request.model, request.reply_format, request.num_ctx) == ("phi4-reasoning:14b", ReplyFormat.PROMPT, 32768)
    assert (request.seed, request.trial, request.call) == (3, 2, 1)


def test_nothing_heavy_is_imported_before_the_first_call() -> None:
    code = (
        "import sys\n"
        "from harness.llm.build import build_backend\n"
        "from harness.llm.settings import LlmSettings\n"
        "from harness.llm.probe import readiness\n"
        "import harness.llm.ollama, harness.llm.openai, harness.llm.llama_cpp, harness.llm.replay\n"
        "for target in ('ollama.Ollama', 'openai.OpenAI', 'llama_cpp.LlamaCpp'):\n"
        "    settings = LlmSettings(_target_='harness.llm.' + target, model='m', base_url='http://127.0.0.1:9')\n"
        "    build_backend(settings, keep=print)\n"
        "    readiness(settings)\n"
        "heavy = {'ollama', 'openai', 'xllamacpp', 'httpx', 'httpx2', 'pydantic', 'numpy', 'hydra', 'omegaconf'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_an_end_is_that_of_the_named_model_alone_and_decides_no_result() -> None:
    settings = settings_of(CONF / "gpt4.yaml")
    assert settings.end == date(2027, 1, 14)
    assert replace(settings, model="gpt-6-luna").end is None
    plain = replace(settings, retires={}, successor="", disk_gb=3.0)
    assert plain.identity() == settings.identity()
    assert hash(plain) != hash(replace(settings, model="other"))
    with pytest.raises(SettingsError, match=r"llm\.retires: gpt-4o: soon is no day; write one like 2027-01-14"):
        replace(settings, retires={"gpt-4o": "soon"})
    with pytest.raises(SettingsError, match=r"llm\.disk_gb=-1\.0: must be above 0"):
        replace(settings, disk_gb=-1.0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_ends_in_conf_are_those_of_the_price_list_and_have_a_successor_that_goes_on(path: Path) -> None:
    settings, prices = settings_of(path), Prices.read()
    listed = prices.of(settings.model)
    assert settings.end == (listed.shutdown if listed else None)
    if settings.successor:
        successor = settings_of(CONF / f"{settings.successor}.yaml")
        price = prices.of(successor.model)
        assert price is not None
        assert (successor.end, price.shutdown) == (None, None)
    assert bool(settings.successor) == (settings.end is not None)


def test_a_file_that_says_all_by_itself_is_read_as_it_is_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {path.stem: llm_settings(path.stem, []) for path in FILES}
    monkeypatch.setattr("harness.config.settings._plain_llm", lambda *_: None)
    assert quick["gpt4"].retires == {"gpt-4o": "2027-01-14"}
    assert llm_settings("gpt4", []) == quick["gpt4"]
