"""A secret in every form, and what only looks like one."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest

from harness.errors import printable
from harness.readiness import Readiness
from harness.scrub import foreign_text, holds_secret, looks_like_key, remember, without_secrets, without_secrets_in
from harness.store.codec import json_line, json_page, json_text

KEY = 'aB3/+"&<é\\x9'
FORMS = {
    "as it stands": KEY,
    "in Python": repr(f"Bearer {KEY}"),
    "in Python's bytes": repr(f"Bearer {KEY}".encode()),
    "in JSON": json.dumps({"key": KEY}),
    "in JSON, not ASCII": json.dumps({"key": KEY}, ensure_ascii=False),
    "in HTML": html.escape(KEY),
    "in an address": quote(KEY, safe=""),
    "in an address, small letters": quote(KEY, safe="").lower().replace("ab", "aB", 1),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "as a password without a user": base64.b64encode(f":{KEY}".encode()).decode(),
}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OLLAMA_API_KEY", "LLM_API_KEY", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", ["", "\n", "\r\n", "  "])
def test_a_key_is_taken_out_in_whatever_form_it_stands(form: str, around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", f"{KEY}{around}")
    text = f"see {FORMS[form]} there"
    shown = without_secrets(text)
    assert "[LLM_API_KEY]" in shown
    assert not holds_secret(shown)
    for part in ("B3/", "b3/", "B3%2", "B3\\", quote(KEY, safe="")[:8], base64.b64encode(KEY.encode()).decode()[:8]):
        assert part not in shown


def test_every_line_of_a_key_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY", "-----BEGIN-----\nfirst-line-0123456789\nsecond-line-0123456789\n-----END-----")
    assert without_secrets("it was second-line-0123456789, on first-line-0123456789") == "it was [SIGNING_KEY], on [SIGNING_KEY]"


def test_a_word_of_the_harness_s_own_is_no_secret_and_in_a_foreign_text_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", "lm-studio")
    assert without_secrets("arm tcs_lm-studio") == "arm tcs_lm-studio"
    assert json.loads(json_line({"arm": "lm-studio"})) == {"arm": "lm-studio"}
    assert foreign_text("bad key 'lm-studio'") == "bad key '[LLM_API_KEY]'"


@pytest.mark.parametrize("value", ["x", "EMPTY", "none", "1"])
def test_a_short_key_is_taken_out_only_where_it_stands_as_a_key(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", value)
    text = f"{value} none x EMPTY 0.1 max {value}"
    assert foreign_text(text) == text
    for words in (f"Authorization: Bearer {value}", f"api_key={value}", f'"api_key": "{value}"'):
        assert value not in foreign_text(words).split("[LLM_API_KEY]")[-1]
        assert "[LLM_API_KEY]" in foreign_text(words)


def test_numbers_stay_numbers_whatever_a_password_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "1234567890123456")
    row = {"x": 0.1234567890123456, "n": 1234567890123456, "text": "it is 1234567890123456"}
    assert json.loads(json_line(row)) == {**row, "text": "it is [DB_PASSWORD]"}


def test_a_file_s_path_is_no_secret_whatever_its_variable_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", "/home/me/token-0123456789")
    assert without_secrets("see /home/me/token-0123456789") == "see /home/me/token-0123456789"


def test_the_password_inside_an_address_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:pass-0123456789@proxy:8080")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://host/v1?api_key=query-0123456789&model=gpt-4o-2024-08-06")
    basic = base64.b64encode(b"me:pass-0123456789").decode()
    assert without_secrets(f"pass-0123456789 or {basic}") == "[password in HTTPS_PROXY] or [password in HTTPS_PROXY]"
    assert without_secrets("query-0123456789 of gpt-4o-2024-08-06") == "[password in OPENAI_BASE_URL] of gpt-4o-2024-08-06"


def test_a_variable_without_a_telling_name_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_LAB", "planted-0123456789")
    assert not holds_secret("planted-0123456789")
    remember("MY_LAB")
    assert without_secrets("planted-0123456789") == "[MY_LAB]"


def test_both_borders_take_every_secret_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written goes through `store/codec.py`, and what is printed through `printable`."""
    monkeypatch.setenv("LLM_API_KEY", KEY)
    data = {"a": [f"x{KEY}"], f"b{KEY}": {"c": KEY}, "d": (1.5, float("nan"), KEY)}
    clean = {"a": ["x[LLM_API_KEY]"], "b[LLM_API_KEY]": {"c": "[LLM_API_KEY]"}, "d": [1.5, "nan", "[LLM_API_KEY]"]}
    assert json.loads(json_line(data)) == clean
    assert json.loads(json_text(data, indent=1)) == clean
    assert {k: v for k, v in json.loads(json_page(data)).items() if k != "crc32"} == clean
    assert printable(f"it is {KEY}") == "it is [LLM_API_KEY]"
    assert without_secrets_in(None) is None


def test_no_finding_of_the_doctor_can_hold_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", KEY)
    found = Readiness(f"n{KEY}", False, f"bad\n{KEY}", f"export X={KEY}", f"http://me:pw@host {KEY}")
    assert found == Readiness("n[LLM_API_KEY]", False, "bad [LLM_API_KEY]", "export X=[LLM_API_KEY]", "http://host [LLM_API_KEY]")


@pytest.mark.parametrize(
    ("text", "is_key"),
    [
        ("Authorization: sk-proj-Ab_c-d3fghijklmnopqrstu9wxyz", True),
        (f"hf_{'a1' * 17}", True),
        (f"AKIA{'Q7' * 8}", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("task-0123456789abcdefghijklmnop and sk-learn, sk-short", False),
        ("hf_hub, hf-internal-testing/tiny-random-llama", False),
        ("sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", False),
    ],
)
def test_whole_keys_of_services_are_known_without_a_variable(text: str, is_key: bool) -> None:
    assert looks_like_key(text) is is_key
