"""Backends that show their key wherever they can."""

from __future__ import annotations

import json
import os
from typing import Any

from harness.llm.backend import ModelFacts, Reply, Request
from harness.llm.settings import LlmSettings
from harness.readiness import Readiness


class Raises:
    """Raises what no backend may raise, its key in the text and in the cause."""

    def __init__(self, settings: LlmSettings) -> None:
        self.key = os.environ.get("LLM_API_KEY", "")

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        return Readiness("leaky", True, os.environ.get("LLM_API_KEY", ""))

    def complete(self, request: Request) -> Reply:
        try:
            raise KeyError(f"Authorization: Bearer {self.key}")
        except KeyError as error:
            raise RuntimeError(f"it was {self.key!r}") from error


class Returns(Raises):
    """Answers with its key in the analysis, in the thinking and in the facts."""

    def complete(self, request: Request) -> Reply:
        config: dict[str, Any] = {"learning_rate": 0.001 * (request.trial + request.call), "momentum": 0.5}
        text = json.dumps({"analysis": f"it is {self.key}", "config": config})
        return Reply(text, ModelFacts("leaky", self.key, server=self.key), thinking=self.key, finish_reason=self.key)
