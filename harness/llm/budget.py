"""What calls to an LLM cost, and a wrapper that stops before a cap is exceeded."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from harness.errors import SettingsError
from harness.llm.backend import Backend, Reply, Request
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError, BudgetSpent
from harness.llm.truncation import prompt_token_range

_SNAPSHOT = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})$")
DEFAULT_PRICES = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Price:
    """Prices in US dollars per million tokens. `shutdown` is the day on which the provider ends the model, None when unknown."""

    prompt_usd: float
    completion_usd: float
    shutdown: date | None = None


@dataclass(frozen=True)
class Prices:
    """The price list of one day, `date`; `source` says where it comes from."""

    date: date
    source: str
    models: Mapping[str, Price]

    @classmethod
    def read(cls, path: Path | str | None = None) -> Prices:
        """Read a price file (TOML, like prices.toml in this folder). Raises SettingsError."""
        path = Path(path) if path else DEFAULT_PRICES
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
            models = {
                name: Price(float(row["prompt_usd"]), float(row["completion_usd"]), row.get("shutdown"))
                for name, row in data["models"].items()
            }
            return cls(data["date"], data["source"], models)
        except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise SettingsError(f"llm.prices={path}: not a price file ({type(error).__name__}: {error})") from error

    def of(self, model: str) -> Price | None:
        """Return the price of a model, None when it is not listed. A dated snapshot has the price of the model without the date."""
        return self.models.get(model) or self.models.get(_SNAPSHOT.sub("", model))

    def usd(self, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Return the cost in US dollars, None for an unlisted model. Cached input is counted at full price."""
        price = self.of(model)
        if price is None:
            return None
        return (prompt_tokens * price.prompt_usd + completion_tokens * price.completion_usd) / 1e6


@dataclass(frozen=True, slots=True)
class Spend:
    """What calls have cost: tokens (prompt and completion), wall seconds, US dollars (0 for a model without a price)."""

    tokens: int = 0
    seconds: float = 0.0
    usd: float = 0.0

    def plus(self, tokens: int, seconds: float, usd: float) -> Spend:
        """Return this cost plus that of one more call."""
        return Spend(self.tokens + tokens, self.seconds + seconds, self.usd + usd)

    @classmethod
    def of(cls, records: Iterable[CallRecord], prices: Prices | None = None) -> Spend:
        """Return the total cost of recorded calls, failed calls included."""
        total = cls()
        for record in records:
            prompt, completion = _tokens(record.reply)
            usd = prices.usd(record.model, prompt, completion) if prices else None
            total = total.plus(prompt + completion, record.seconds, usd or 0.0)
        return total


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that the calls of one cell may cost; None for no cap."""

    tokens: int | None = None
    seconds: float | None = None
    usd: float | None = None


@dataclass
class Budgeted:
    """A wrapper that raises BudgetSpent before a call that could exceed a cap.

    A call is expected to take the highest estimate of its prompt's tokens, and `max_tokens` for its reply. So a cap on tokens or dollars
    is never exceeded, unless `max_tokens` is unset. A cap on seconds can be exceeded by one call. `spent` starts with the cost of the
    cell's earlier launches. `build_backend` refuses a cap in dollars for a model without a price.
    """

    inner: Backend
    caps: Caps
    prices: Prices | None = None
    spent: Spend = field(default_factory=Spend)

    def complete(self, request: Request) -> Reply:
        self._refuse(request)
        start = time.perf_counter()
        try:
            reply = self.inner.complete(request)
        except BackendError:
            self.spent = self.spent.plus(0, time.perf_counter() - start, 0.0)
            raise
        prompt, completion = _tokens(reply)
        self.spent = self.spent.plus(prompt + completion, time.perf_counter() - start, self._usd(request, prompt, completion))
        return reply

    def _refuse(self, request: Request) -> None:
        prompt, reply = prompt_token_range(request)[1], request.max_tokens or 0
        checks = (
            ("tokens", self.caps.tokens, self.spent.tokens, prompt + reply),
            ("seconds", self.caps.seconds, self.spent.seconds, 0.0),
            ("usd", self.caps.usd, self.spent.usd, self._usd(request, prompt, reply)),
        )
        for name, cap, spent, next_call in checks:
            if cap is not None and (spent + next_call > cap or spent >= cap):
                raise BudgetSpent(
                    f"llm.cap_{name}={cap:g} leaves no room for the next call ({spent:.6g} spent, the call may take {next_call:.6g}): "
                    f"raise it and launch again to go on"
                )

    def _usd(self, request: Request, prompt_tokens: int, completion_tokens: int) -> float:
        usd = self.prices.usd(request.model, prompt_tokens, completion_tokens) if self.prices else None
        if usd is None and self.caps.usd is not None:
            listed = f"the price list of {self.prices.date}" if self.prices else "no price list"
            raise SettingsError(
                f"llm.cap_usd={self.caps.usd:g}: {listed} has no '{request.model}'; give llm.prices=FILE or unset the cap"
            )
        return usd or 0.0


def _tokens(reply: Reply | None) -> tuple[int, int]:
    return (0, 0) if reply is None else (reply.prompt_tokens or 0, reply.completion_tokens or 0)
