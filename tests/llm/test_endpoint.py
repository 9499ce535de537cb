"""Addresses of Ollama in the forms that its own programs take, and keys as they come from files, forms and other alphabets."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.errors import SettingsError
from harness.llm.backend import Message
from harness.llm.build import build_backend
from harness.llm.endpoint import is_here, ollama_url, openai_urls, read_key, route_to, state_of
from harness.llm.errors import BackendError, NotReady
from harness.llm.probe import readiness
from harness.llm.settings import LlmSettings
from harness.testing.servers.double import Call, Double, Refusal
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import KEY, OpenAIDouble

FORMS = {
    "": "http://127.0.0.1:11434",
    "gpu": "http://gpu:11434",
    "gpu:8080": "http://gpu:8080",
    "gpu/ollama": "http://gpu:11434/ollama",
    "gpu:8080/ollama/": "http://gpu:8080/ollama",
    ":11500": "http://127.0.0.1:11500",
    "'127.0.0.1:11500'": "http://127.0.0.1:11500",
    '"127.0.0.1:11500"': "http://127.0.0.1:11500",
    " gpu:8080\n": "http://gpu:8080",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:11500": "http://127.0.0.1:11500",
    "http://0.0.0.0:11500": "http://127.0.0.1:11500",
    "::1": "http://[::1]:11434",
    "[::1]": "http://[::1]:11434",
    "[::1]:8080": "http://[::1]:8080",
    "fe80::2/ollama": "http://[fe80::2]:11434/ollama",
    "::": "http://localhost:11434",
    "[::]:11500": "http://localhost:11500",
    "http://gpu": "http://gpu",
    "https://ollama.example": "https://ollama.example",
    "https://ollama.example:8443/path": "https://ollama.example:8443/path",
    "ollama.com": "https://ollama.com",
    "http://me:secret@gpu:8080": "http://gpu:8080",
    "http://gpu:11434/v1": "http://gpu:11434",
    "http://gpu:11434/v1/": "http://gpu:11434",
    "gpu/api/chat": "http://gpu:11434",
    "http://gpu/ollama/api": "http://gpu/ollama",
    "http://gpu:11434/v1/chat/completions": "http://gpu:11434",
}
OPENAI_FORMS = {
    "http://gpu:8000/v1": ("http://gpu:8000/v1",),
    "http://gpu:8000/v1/": ("http://gpu:8000/v1",),
    "http://gpu:8000": ("http://gpu:8000/v1", "http://gpu:8000"),
    "http://gpu:8000/": ("http://gpu:8000/v1", "http://gpu:8000"),
    "gpu:8000": ("http://gpu:8000/v1", "http://gpu:8000"),
    ":8000": ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
    "0.0.0.0:8000/v1": ("http://127.0.0.1:8000/v1",),
    "[::1]:8000": ("http://[::1]:8000/v1", "http://[::1]:8000"),
    "'localhost:8000/v1'": ("http://localhost:8000/v1",),
    "http://gpu:8000/v1/v1": ("http://gpu:8000/v1",),
    "http://gpu:8000//v1//": ("http://gpu:8000/v1",),
    "http://gpu:8000/v1/chat/completions": ("http://gpu:8000/v1",),
    "http://gpu:8000/v1/models": ("http://gpu:8000/v1",),
    "http://gpu:8000/chat/completions": ("http://gpu:8000/v1", "http://gpu:8000"),
    "https://host.example/openai/v1/chat/completions/": ("https://host.example/openai/v1",),
    "https://host.example/v1beta/openai/": ("https://host.example/v1beta/openai", "https://host.example/v1beta/openai/v1"),
    # A key may go there: not in the clear.
    "api.host.example/v1": ("https://api.host.example/v1",),
    "api.host.example:8000/v1": ("http://api.host.example:8000/v1",),
    "10.0.0.7/v1": ("http://10.0.0.7/v1",),
}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Start from an environment that names no proxy, nor hosts that need none."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize("form", FORMS)
def test_an_address_is_completed_as_ollama_does(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", form)
    assert ollama_url(None) == FORMS[form]
    if form.strip() and "secret" not in form:
        monkeypatch.setenv("OLLAMA_HOST", "elsewhere")
        assert ollama_url(form) == FORMS[form]
        assert LlmSettings(name="x", base_url=form).base_url == form


@pytest.mark.parametrize("form", ["gpu:port", "ftp://gpu", "gpu:99999", "[::1", "http://[::1:80"])
def test_what_is_no_address_is_said_in_one_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", form)
    with pytest.raises(SettingsError, match=r"OLLAMA_HOST=.*: must be like http://localhost:11434"):
        ollama_url(None)
    found = readiness(LlmSettings(name="x", _target_="harness.llm.ollama.Ollama", model="m"))
    assert not found.ready
    assert "must be like http://localhost:11434" in found.reason
    with pytest.raises(SettingsError, match=r"llm\.base_url=.*: must be like"):
        LlmSettings(name="x", base_url=form)


@pytest.mark.parametrize("form", ["0.0.0.0:{}", ":{}", "'127.0.0.1:{}'", '"http://localhost:{}/"', "http://0.0.0.0:{}"])
def test_a_call_goes_where_the_address_says(form: str, ollama: OllamaDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real client is imported meanwhile, and reads OLLAMA_HOST by itself."""
    monkeypatch.setenv("OLLAMA_HOST", form.format(ollama.url.rpartition(":")[2]))
    settings = LlmSettings(name="x", _target_="harness.llm.ollama.Ollama", model="phi4-reasoning:14b", num_ctx=4096, max_tokens=50)
    assert readiness(settings).ready
    request = settings.request([Message("user", "?")], schema=None, seed=1, trial=1, call=1)
    assert build_backend(settings, keep=lambda _: None).complete(request).text


@pytest.mark.parametrize("form", OPENAI_FORMS)
def test_an_address_of_an_openai_compatible_server_is_completed(form: str) -> None:
    assert openai_urls(form) == OPENAI_FORMS[form]
    assert LlmSettings(name="x", base_url=form).base_url == form


def own(base_url: str | None, **changes: Any) -> LlmSettings:
    values: dict[str, Any] = {"tries": 1, "num_ctx": 4096, "max_tokens": 50, **changes}
    return LlmSettings(name="own", _target_="harness.llm.openai.OpenAI", model="gpt-4o", base_url=base_url, **values)


def on_ollama(base_url: str | None, **changes: Any) -> LlmSettings:
    values: dict[str, Any] = {"tries": 1, "num_ctx": 4096, "max_tokens": 50, **changes}
    return LlmSettings(name="x", _target_="harness.llm.ollama.Ollama", model="phi4-reasoning:14b", base_url=base_url, **values)


def text_of(settings: LlmSettings) -> str:
    """Ask, and return the reply's text."""
    request = settings.request([Message("user", "?")], schema=None, seed=1, trial=1, call=1)
    return build_backend(settings, keep=lambda _: None).complete(request).text


@pytest.mark.parametrize(
    "form", ["{}", "{}/", "{}/v1/v1", "{}/v1/chat/completions", "{}/chat/completions", "localhost:PORT", ":PORT/v1"]
)
def test_a_call_goes_to_the_chats_of_a_server_however_its_address_is_written(form: str, openai: OpenAIDouble) -> None:
    openai.key = None
    settings = own(form.format(openai.address).replace("PORT", openai.address.rpartition(":")[2]))
    assert readiness(settings).ready
    assert text_of(settings)
    assert openai.received[-1].path == "/v1/chat/completions"


class WithoutV1(OpenAIDouble):
    """A server whose interface stands at its root, and that may list no models."""

    lists = True

    def get(self, path: str, call: Call) -> None:
        if path == "/models" and self.lists:
            super().get("/v1/models", call)
        else:
            raise Refusal(404, {"detail": "Not Found"})

    def post(self, path: str, body: Any, call: Call) -> None:
        if path == "/chat/completions" and not body:
            raise Refusal(422, {"detail": "messages: Field required"})
        if path != "/chat/completions":
            raise Refusal(404, {"detail": "Not Found"})
        super().post("/v1/chat/completions", body, call)


@pytest.mark.parametrize("lists", [True, False])
def test_a_server_whose_interface_is_not_below_v1_is_found(lists: bool) -> None:
    with WithoutV1(key=None) as server:
        server.lists = lists
        settings = own(server.address)
        found = readiness(settings)
        assert (found.ready, found.reason.partition(" serves ")[0]) == (True, server.address)
        assert text_of(settings)
        assert server.answered == 1


def test_a_server_that_is_there_and_an_address_that_is_off_are_told_apart(openai: OpenAIDouble) -> None:
    openai.key = None
    off = own(f"{openai.address}/api/v0")
    found = readiness(off)
    assert (found.ready, "the address is off" in found.reason, "404" in found.reason) == (False, True, True)
    assert found.command == "set llm.base_url to what its manual says, usually http://HOST:PORT/v1"
    with pytest.raises(NotReady, match=r"takes no chats there .*404.* the address is off"):
        text_of(off)
    with openai.down():
        found = readiness(own(openai.url))
        assert found.reason == f"no OpenAI-compatible server at {openai.url} (Connection refused)"
        assert found.command == "start it, or set llm.base_url"


class Page(Double):
    """Answers everything with a web page."""

    def get(self, path: str, call: Call) -> None:
        call.send_whole(200, b"<html>hello</html>", "text/html")

    def post(self, path: str, body: Any, call: Call) -> None:
        self.get(path, call)


def test_a_web_page_is_no_server_of_llms() -> None:
    with Page() as server:
        found = readiness(own(server.address))
        assert (found.ready, "a server answers" in found.reason, "web page" in found.reason) == (False, True, True)
        found = readiness(on_ollama(server.address))
        assert (
            found.reason == f"something answers at {server.address}, and it is not Ollama (its answer is no JSON, as of a web page)"
        )
        assert "llm.base_url" in found.command
        for settings in (own(server.address), on_ollama(server.address)):
            with pytest.raises(BackendError, match="does not speak"):
                text_of(settings)


def test_what_is_at_ollama_s_address_and_is_not_ollama_is_said(openai: OpenAIDouble) -> None:
    openai.key = None
    found = readiness(on_ollama(openai.url))
    assert found.reason.startswith(f"something answers at {openai.address}, and it is not Ollama (it says 404")
    with pytest.raises(NotReady, match=r"it is not Ollama \(404\): check llm\.base_url"):
        text_of(on_ollama(openai.address))


def test_a_server_that_wants_a_key_says_which_setting_names_it(openai: OpenAIDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    found = readiness(own(openai.url))
    assert "lets nobody in without its key (401 Unauthorized; llm.key_env names no variable)" in found.reason
    assert found.command == "export LLM_API_KEY=..., and give llm.key_env=LLM_API_KEY"
    found = readiness(own(openai.url, key_env="MY_KEY"))
    assert ("MY_KEY is not set" in found.reason, found.command) == (True, "export MY_KEY=...")


@pytest.mark.parametrize("make", [own, on_ollama])
@pytest.mark.parametrize("base_url", ["http://no-such-machine.invalid:8000", "no-such-machine.invalid:8000"])
def test_a_name_that_nobody_knows_is_said(make: Any, base_url: str, no_proxy: pytest.MonkeyPatch) -> None:
    settings = make(base_url)
    assert "(no machine is known by that name)" in readiness(settings).reason
    with pytest.raises(BackendError, match="no machine is known by that name"):
        text_of(settings)


@pytest.mark.parametrize("make", [own, on_ollama])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_a_server_on_this_machine_is_reached_without_the_proxy(
    make: Any, variable: str, proxy: str, ollama: OllamaDouble, openai: OpenAIDouble, no_proxy: pytest.MonkeyPatch
) -> None:
    no_proxy.setenv(variable, proxy)
    openai.key = None
    server: Double = openai if make is own else ollama
    for host in ("127.0.0.1", "localhost"):
        settings = make(server.address.replace("127.0.0.1", host))
        assert readiness(settings).ready, readiness(settings).reason
        assert text_of(settings)
    asked = make(server.address, proxy="http://127.0.0.1:9")
    assert "through the proxy http://127.0.0.1:9 of llm.proxy" in readiness(asked).reason


@pytest.mark.parametrize("make", [own, on_ollama])
def test_a_proxy_that_does_not_answer_is_named_without_its_password(make: Any, no_proxy: pytest.MonkeyPatch) -> None:
    no_proxy.setenv("HTTP_PROXY", "http://me:planted-0123@127.0.0.1:9")
    settings = make("http://gpu.invalid:8000")
    words = "through the proxy http://127.0.0.1:9 of HTTP_PROXY (llm.proxy=none goes directly)"
    assert words in readiness(settings).reason
    with pytest.raises(BackendError) as caught:
        text_of(settings)
    assert words in str(caught.value)
    assert "planted" not in f"{caught.value}{readiness(settings)}"


class Proxied(OpenAIDouble):
    """A proxy to one server: whole addresses are asked of it."""

    def get(self, path: str, call: Call) -> None:
        super().get(urlsplit(path).path, call)

    def post(self, path: str, body: Any, call: Call) -> None:
        super().post(urlsplit(path).path, body, call)


def test_a_remote_server_is_reached_through_the_proxy_and_directly_where_the_user_says_so(no_proxy: pytest.MonkeyPatch) -> None:
    with Proxied(key=None) as proxy:
        no_proxy.setenv("HTTP_PROXY", proxy.address)
        settings = own("http://gpu.invalid:8000/v1")
        assert readiness(settings).ready
        assert text_of(settings)
        assert {entry.path for entry in proxy.received} == {
            "http://gpu.invalid:8000/v1/models",
            "http://gpu.invalid:8000/v1/chat/completions",
        }
        assert "through the proxy" not in readiness(own("http://gpu.invalid:8000/v1", proxy="none")).reason
        no_proxy.setenv("NO_PROXY", ".invalid")
        assert "no machine is known" in readiness(settings).reason


@pytest.mark.parametrize("make", [own, on_ollama])
def test_a_socks_proxy_without_its_package_is_words(make: Any, no_proxy: pytest.MonkeyPatch) -> None:
    no_proxy.setattr("harness.llm.endpoint.importlib.util.find_spec", lambda _: None)
    no_proxy.setenv("ALL_PROXY", "socks5://proxy.example:1080")
    settings = make("http://gpu.invalid:8000")
    words = "the proxy socks5://proxy.example:1080 of ALL_PROXY needs the package socksio: pip install socksio"
    assert words in readiness(settings).reason
    with pytest.raises(SettingsError, match="needs the package socksio"):
        build_backend(settings, keep=lambda _: None)


def test_which_proxy_is_on_the_way(no_proxy: pytest.MonkeyPatch) -> None:
    no_proxy.setenv("HTTPS_PROXY", "proxy.example:3128")
    no_proxy.setenv("ALL_PROXY", "http://all.example:3128")
    assert route_to("https://api.example").proxy == "http://proxy.example:3128"
    assert route_to("http://api.example").proxy == "http://all.example:3128"
    assert route_to("http://api.example", "none").proxy is None
    assert route_to("http://127.0.0.1:8000", "http://own.example:1").proxy == "http://own.example:1"
    no_proxy.setenv("NO_PROXY", "10.0.0.0/8,.lab.example")
    assert [route_to(url).proxy is None for url in ("http://10.1.2.3:8000", "http://gpu.lab.example", "http://11.0.0.1")] == [
        True,
        True,
        False,
    ]
    no_proxy.setenv("ALL_PROXY", "ftp://all.example")
    with pytest.raises(SettingsError, match=r"the proxy ftp://all.example of ALL_PROXY makes no sense"):
        route_to("http://api.example")


def test_what_is_on_this_machine() -> None:
    assert all(map(is_here, ("localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1", "model.localhost")))
    assert not any(map(is_here, ("gpu", "10.0.0.1", "localhost.example", "")))


@pytest.mark.parametrize("around", ["\n", "\r\n", "  ", "\t\n"])
def test_the_line_break_of_a_file_is_no_part_of_a_key(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", f"{around}{KEY}{around}")
    assert read_key("LLM_API_KEY") == KEY
    assert state_of("LLM_API_KEY") == "LLM_API_KEY is set"


@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_a_blank_key_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_API_KEY", value)
    assert read_key("LLM_API_KEY") is None
    assert state_of("LLM_API_KEY") == "LLM_API_KEY is not set"
    assert read_key("") is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("planted-0123\n456789-planted", "holds a line break"),
        ("planted-0123\r456789-planted", "holds a line break"),
        ("planted-0123\x01456789-planted", "holds a control character"),
        ("planted-schlüssel-0123456789", "holds a character that is not ASCII, at place 13 of 28"),
        ("planted-0123456789\u200b456789", "holds a character that is not ASCII, at place 19 of 25"),
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_in_words_and_not_shown(
    value: str, problem: str, openai: OpenAIDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_API_KEY", value)
    with pytest.raises(NotReady) as caught:
        read_key("LLM_API_KEY")
    assert str(caught.value).startswith(f"the key in LLM_API_KEY {problem} (it is not shown here): export LLM_API_KEY anew")
    settings = LlmSettings(
        name="own", _target_="harness.llm.openai.OpenAI", model="gpt-4o", base_url=openai.url, key_env="LLM_API_KEY"
    )
    found = readiness(settings)
    assert (found.ready, found.reason) == (False, str(caught.value))
    with pytest.raises(NotReady, match=problem):
        build_backend(settings, keep=lambda _: None).complete(settings.request([], schema=None, seed=1, trial=1, call=1))
    assert not any("planted" in text or "456789" in text for text in (str(caught.value), repr(found)))


@pytest.mark.parametrize("value", ["sk-proj-0123456789", "abcdefgh12345678XYZ", "key with spaces", "9KEY"])
def test_a_key_in_place_of_its_variable_s_name_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(SettingsError, match=r"llm\.key_env takes the name of the variable") as caught:
        LlmSettings(name="x", key_env=value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "LLM_API_KEY", "my_key_2", "TOGETHER", "GPU3SERVERKEY0123456"])
def test_the_name_of_a_variable_is_taken(name: str) -> None:
    assert LlmSettings(name="x", key_env=name).key_env == name


@pytest.mark.parametrize("url", ["http://host/v1?api_key=planted-0123", "host:80/v1?key=planted-0123", "http://host/#planted-0123"])
def test_a_key_in_the_address_is_refused_before_it_can_be_recorded(url: str) -> None:
    with pytest.raises(SettingsError, match="leave out what follows") as caught:
        LlmSettings(name="x", base_url=url)
    assert "planted" not in str(caught.value)


def test_a_password_in_the_environment_s_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:planted@127.0.0.1:9/v1")
    settings = LlmSettings(name="gpt", _target_="harness.llm.openai.OpenAI", model="gpt-4o", key_env="OPENAI_API_KEY")
    found = readiness(settings)
    assert not found.ready
    assert found.reason.startswith("OPENAI_BASE_URL: leave user and password out of it")
    with pytest.raises(SettingsError, match="leave user and password out") as caught:
        build_backend(settings, keep=lambda _: None)
    assert "planted" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        LlmSettings(name="x", base_url="ftp://me:planted@host")
    assert "planted" not in str(caught.value)


def test_the_findings_name_the_variable_and_never_its_value(openai: OpenAIDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = LlmSettings(
        name="own", _target_="harness.llm.openai.OpenAI", model="gpt-4o", base_url=openai.url, key_env="LLM_API_KEY"
    )
    openai.key = None
    assert readiness(settings).reason.endswith("; LLM_API_KEY is not set")
    monkeypatch.setenv("LLM_API_KEY", KEY)
    assert readiness(settings).reason.endswith("; LLM_API_KEY is set")
