from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from harness.errors import SettingsError
from harness.llm.backend import Message, ModelFacts, Reply, Request
from harness.llm.budget import Budgeted, Caps, Prices, Spend
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import BudgetSpent, TransportFault
from harness.llm.settings import LlmSettings
from harness.llm.truncation import prompt_token_range

PRICES = Prices.read()
REQUEST = Request((Message("user", "Which learning rate?"),), model="gpt-4o", max_tokens=1000)


class Costly:
    """Uses all the tokens that it may."""

    def __init__(self) -> None:
        self.calls = 0

    def complete(self, request: Request) -> Reply:
        self.calls += 1
        prompt = prompt_token_range(request)[1]
        return Reply("{}", ModelFacts("b", request.model), prompt_tokens=prompt, completion_tokens=request.max_tokens)


class Lost:
    def complete(self, request: Request) -> Reply:
        raise TransportFault("lost")


def until_spent(backend: Budgeted, inner: Costly) -> BudgetSpent:
    for _ in range(1000):
        try:
            backend.complete(REQUEST)
        except BudgetSpent as error:
            return error
    raise AssertionError("the cap did not hold")


@pytest.mark.parametrize("caps", [Caps(tokens=12_345), Caps(usd=0.1)])
def test_a_cap_is_never_passed(caps: Caps) -> None:
    inner = Costly()
    backend = Budgeted(inner, caps, PRICES)
    error = until_spent(backend, inner)
    assert inner.calls > 5
    assert caps.tokens is None or backend.spent.tokens <= caps.tokens < backend.spent.tokens + 1100
    assert caps.usd is None or backend.spent.usd <= caps.usd < backend.spent.usd + 0.011
    assert "raise it and launch again to go on" in str(error)


def test_a_cap_on_seconds_stops_the_next_call() -> None:
    inner = Costly()
    backend = Budgeted(inner, Caps(seconds=60.0), spent=Spend(seconds=59.999))
    backend.complete(REQUEST)
    backend.spent = replace(backend.spent, seconds=60.0)
    with pytest.raises(BudgetSpent, match=r"llm\.cap_seconds=60 leaves no room"):
        backend.complete(REQUEST)
    assert inner.calls == 1


def test_a_failed_call_costs_its_time() -> None:
    backend = Budgeted(Lost(), Caps())
    with pytest.raises(TransportFault):
        backend.complete(REQUEST)
    assert backend.spent.seconds > 0


def test_what_earlier_launches_spent_counts() -> None:
    reply = Reply("{}", ModelFacts("b", "gpt-4o"), prompt_tokens=1_000_000, completion_tokens=100_000)
    records = [CallRecord.of(REQUEST, 2.0, reply=reply), CallRecord.of(REQUEST, 3.0, error=TransportFault("lost"))]
    assert Spend.of(records, PRICES) == Spend(tokens=1_100_000, seconds=5.0, usd=2.5 + 1.0)
    settings = LlmSettings(name="gpt4", _target_="harness.llm.openai.OpenAI", model="gpt-4o", cap_usd=3.0, max_tokens=10)
    with pytest.raises(BudgetSpent, match=r"3\.5 spent"):
        build_backend(settings, keep=lambda _: None, answered=records).complete(replace(REQUEST, seed=2))


def test_a_cap_in_dollars_needs_a_price() -> None:
    settings = LlmSettings(name="x", _target_="harness.llm.openai.OpenAI", model="gpt-unheard-of", cap_usd=1.0)
    with pytest.raises(SettingsError, match=r"the price list of 2026-11-22 has no 'gpt-unheard-of'; give llm\.prices=FILE"):
        build_backend(settings, keep=lambda _: None)


def test_prices_are_dated_and_say_where_they_are_from() -> None:
    assert PRICES.date == date(2026, 11, 22)
    assert "developers.openai.com" in PRICES.source
    assert PRICES.usd("gpt-4o", 1_000_000, 1_000_000) == pytest.approx(12.50)
    assert PRICES.usd("gpt-4o-2024-08-06", 1000, 0) == PRICES.usd("gpt-4o", 1000, 0)
    assert PRICES.usd("phi4-reasoning:14b", 1000, 1000) is None


@pytest.mark.parametrize(
    "text", ["", "date = 1", "[models", 'date = 2026-01-01\nsource = "x"\n[models]\nm = { prompt_usd = "cheap" }']
)
def test_a_broken_price_file_is_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="not a price file"):
        Prices.read(path)
