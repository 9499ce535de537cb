"""The switches as settings, as values of the method, and as what each may be: three places that say the same."""

from __future__ import annotations

from dataclasses import asdict

from harness.config.schema import PublishedSettings
from harness.optimizers.published.switches import VALUES, Switches


def test_settings_switches_and_allowed_values_begin_with_what_was_released() -> None:
    released = {name: allowed[0] for name, allowed in VALUES.items()}
    assert list(asdict(PublishedSettings()).items()) == list(released.items())
    assert list(asdict(Switches()).items()) == list(released.items())
    assert Switches.read(asdict(PublishedSettings())) == Switches()
