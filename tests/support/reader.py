"""Models whose reading is known: `reader` looks at the incumbent in the status block and at nothing else, any other at nothing at all."""

from __future__ import annotations

import json
import math
import random
import re

from harness.llm.backend import ModelFacts, Reply, Request
from harness.llm.settings import LlmSettings
from harness.readiness import Readiness

INCUMBENT = re.compile(r"^incumbent config: learning_rate=([\d.e+-]+), momentum=([\d.e+-]+)$", re.MULTILINE)


class Reader:
    """Answers with a configuration of the toy task: `reader` near the incumbent's, others anywhere; the rest, the sampling seed decides."""

    def __init__(self, settings: LlmSettings) -> None:
        self.model = settings.model

    @staticmethod
    def ready(settings: LlmSettings) -> Readiness:
        return Readiness(settings.name, True, "it is here")

    def complete(self, request: Request) -> Reply:
        rng = random.Random(request.seed)
        found = INCUMBENT.search(request.messages[-1].content) if self.model == "reader" else None
        rate, momentum = map(float, found.groups()) if found else (10 ** rng.uniform(-5, 1), rng.uniform(0, 0.99))
        near = rate * 10 ** rng.uniform(-0.1, 0.1), momentum + rng.uniform(-0.02, 0.02)
        config = {"learning_rate": min(max(near[0], 1e-5), 10.0), "momentum": min(max(near[1], 0.0), 0.99)}
        assert math.isfinite(sum(config.values()))
        return Reply(json.dumps({"config": config, "analysis": "."}), ModelFacts("reader", self.model), prompt_tokens=2_000)
