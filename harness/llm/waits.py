"""How long a server asks to wait."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(header: str | None, header_ms: str | None = None) -> float | None:
    """Read a Retry-After header (seconds, or an HTTP date; RFC 9110, 10.2.3) or OpenAI's retry-after-ms. None when there is none."""
    milliseconds = _number(header_ms)
    if milliseconds is not None:
        return milliseconds / 1000
    seconds = _number(header)
    if seconds is not None or not header:
        return seconds
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else None
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) and number >= 0 else None
