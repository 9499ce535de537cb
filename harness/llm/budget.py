"""What calls to an LLM cost, and a wrapper that stops before a cap is exceeded."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from harness.errors import SettingsError
from harness.llm.backend import Backend, Reply, Request
from harness.llm.calls import CallRecord
from harness.llm.errors import BackendError, BudgetSpent
from harness.llm.truncation import prompt_token_range
from harness.signals import poll_until

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


class Dollars:
    """What the cells of a study have spent together, in US dollars. Several threads may spend."""

    def __init__(self, spent: float = 0.0) -> None:
        self.spent = spent
        self._in_flight: list[float] = []  # the most that each of these calls may cost
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, most: float, cap: float | None) -> Iterator[None]:
        """Reserve the most that a call may cost, for the block that makes it. The block calls `add` with what it did cost.

        Where only the calls in flight leave no room, it waits for their end, since they may cost less. Raises NoRoom.
        """
        with self._changed:
            while cap is not None and not self._has_room(cap, most, self._in_flight):
                if not self._has_room(cap, most, ()):
                    raise NoRoom
                poll_until(lambda seconds: self._changed.wait(seconds) or None, threading.TIMEOUT_MAX)
            self._in_flight.append(most)
        try:
            yield
        finally:
            with self._changed:
                self._in_flight.remove(most)
                self._changed.notify_all()

    def _has_room(self, cap: float, most: float, in_flight: Sequence[float]) -> bool:
        return self.spent < cap and self.spent + sum(in_flight) + most <= cap

    def add(self, usd: float) -> None:
        """Note what a call cost."""
        with self._changed:
            self.spent += usd


class NoRoom(Exception):
    """The next call could exceed the cap."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that calls may cost; None for no cap. Tokens and seconds are those of one cell, dollars those of all cells of a study."""

    tokens: int | None = None
    seconds: float | None = None
    usd: float | None = None


@dataclass
class Budgeted:
    """A wrapper that raises BudgetSpent before a call that could exceed a cap.

    A call is expected to take the highest estimate of its prompt's tokens, and `max_tokens` for its reply. So a cap on tokens or dollars
    is never exceeded, unless `max_tokens` is unset. A cap on seconds can be exceeded by one call. `spent` starts with the cost of the
    cell's earlier launches. `dollars` is what all cells of the study spend together; None: this cell alone. `build_backend` refuses a cap
    in dollars for a model without a price.
    """

    inner: Backend
    caps: Caps
    prices: Prices | None = None
    spent: Spend = field(default_factory=Spend)
    dollars: Dollars | None = None

    def complete(self, request: Request) -> Reply:
        prompt, reply = prompt_token_range(request)[1], request.max_tokens or 0
        self._refuse(prompt + reply)
        shared = self.dollars = self.dollars or Dollars(self.spent.usd)
        most = self._usd(request, prompt, reply)
        try:
            with shared.reserve(most, self.caps.usd):
                return self._complete(request, shared)
        except NoRoom:
            raise _spent("usd", self.caps.usd or 0.0, shared.spent, most) from None

    def _complete(self, request: Request, shared: Dollars) -> Reply:
        start = time.perf_counter()
        try:
            reply = self.inner.complete(request)
        except BackendError:
            self.spent = self.spent.plus(0, time.perf_counter() - start, 0.0)
            raise
        prompt, completion = _tokens(reply)
        usd = self._usd(request, prompt, completion)
        self.spent = self.spent.plus(prompt + completion, time.perf_counter() - start, usd)
        shared.add(usd)
        return reply

    def _refuse(self, tokens: int) -> None:
        checks = (
            ("tokens", self.caps.tokens, self.spent.tokens, tokens),
            ("seconds", self.caps.seconds, self.spent.seconds, 0.0),
        )
        for name, cap, spent, next_call in checks:
            if cap is not None and (spent + next_call > cap or spent >= cap):
                raise _spent(name, cap, spent, next_call)

    def _usd(self, request: Request, prompt_tokens: int, completion_tokens: int) -> float:
        usd = self.prices.usd(request.model, prompt_tokens, completion_tokens) if self.prices else None
        if usd is None and self.caps.usd is not None:
            listed = f"the price list of {self.prices.date}" if self.prices else "no price list"
            raise SettingsError(
                f"llm.cap_usd={self.caps.usd:g}: {listed} has no '{request.model}'; give llm.prices=FILE or unset the cap"
            )
        return usd or 0.0


def _spent(name: str, cap: float, spent: float, next_call: float) -> BudgetSpent:
    return BudgetSpent(
        f"llm.cap_{name}={cap:g} leaves no room for the next call ({spent:.6g} spent, the call may take {next_call:.6g}): "
        f"raise it and launch again to go on"
    )


def _tokens(reply: Reply | None) -> tuple[int, int]:
    return (0, 0) if reply is None else (reply.prompt_tokens or 0, reply.completion_tokens or 0)
