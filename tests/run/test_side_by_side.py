from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.cells import cells_of, settings_of
from support.commands import records, run, start
from support.llm_fixtures import _no_llm_in_the_environment, ollama, openai

from harness.cell import Cell
from harness.config.settings import cells as cells_in
from harness.config.values import Settings
from harness.errors import SettingsError
from harness.llm.calls import calls_below
from harness.llm.errors import TransportFault
from harness.llm.retrying import RateLimit
from harness.report.sources.wandb_offline import read_offline
from harness.run.side_by_side import Ended, divided, run_side_by_side
from harness.run.study import Result, run_all, run_cells
from harness.store.cell_folder import CALLS, SUMMARY, TRIALS
from harness.testing.servers.double import Call, Refusal
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.openai_api import OpenAIDouble
from harness.testing.servers.script import REPLIES, Script
from harness.training.children import Children, LentChild
from harness.training.evaluator import NO_LIMITS

__all__ = ["_no_llm_in_the_environment", "ollama", "openai"]

TABLE = ("task=digits", "evaluator=table", "optimizer=tcs_phi4")
# A `repeat` repeats another cell's reply, so it depends on the order of the calls.
BAD = [kind for kind in REPLIES if kind not in ("repeat", "chatter")]
_VARYING = re.compile(rb'"\w*(seconds|crc32)": ?("[0-9a-f]*"|[-+.0-9e]+),?')


def bytes_of(study: Path) -> dict[str, bytes]:
    """Return all records of a study but for seconds and checksums."""
    files = [path for name in (TRIALS, CALLS, SUMMARY) for path in study.rglob(name)]
    return {str(path.relative_to(study)): _VARYING.sub(b"", path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return the settings of an arm with an LLM on a table; a test changes a few of them."""
    return settings_of(tmp_path_factory.mktemp("composed"), *TABLE, "budget=2")


def changed(settings: Settings, out: Path, *, seeds: int, **llm: Any) -> tuple[list[Cell], Settings]:
    """Return so many cells with other settings of their LLM."""
    assert settings.asking
    asked = replace(settings.llm, **llm)
    other = replace(settings, out=str(out), seeds=tuple(range(seeds)), llm=asked, asking=replace(settings.asking, llm=asked))
    return list(cells_in(other)), other


@pytest.mark.parametrize("sync", ["trial", pytest.param("cell", marks=pytest.mark.full)])
def test_the_records_are_those_of_one_cell_after_the_other_byte_for_byte(composed: Settings, tmp_path: Path, sync: str) -> None:
    found = []
    for connections in (4, 1):
        with OllamaDouble(Script.random(1, 0.3, BAD)) as double:
            out = tmp_path / str(connections)
            cells, settings = changed(composed, out, seeds=4, base_url=double.url, connections=connections)
            assert run_cells(cells, replace(settings, sync=sync)) == Result(done=4)
            assert double.injected
        found.append(bytes_of(out))
    assert len(found[0]) == 3 * 4
    assert found[0] == found[1]


def test_the_number_of_connections_is_not_part_of_a_cell(composed: Settings, tmp_path: Path) -> None:
    few, many = (changed(composed, tmp_path, seeds=2, connections=count)[0] for count in (1, 16))
    assert [cell.id for cell in few] == [cell.id for cell in many]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (("llm=smollm2", "optimizer=tcs", "llm.connections=2"), "a model inside the process answers one call at a time"),
        (("llm.connections=0",), "llm.connections=0: must be above 0"),
        (("llm.connections=201",), "llm.connections=201: at most 200 in one process"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path, override: Sequence[str], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        settings_of(tmp_path, *TABLE, *override)


def test_methods_without_an_llm_run_alone_and_each_model_of_a_server_in_its_turn(composed: Settings, tmp_path: Path) -> None:
    many, few = changed(composed, tmp_path, seeds=3), changed(composed, tmp_path, seeds=1)
    other, single = changed(composed, tmp_path, seeds=2, model="qwen"), changed(composed, tmp_path, seeds=1, base_url="elsewhere")
    one = changed(composed, tmp_path, seeds=2, connections=1)
    plain: tuple[list[Cell], Settings] = [], replace(composed, asking=None)
    alone, groups = divided([(settings, cells) for cells, settings in (plain, many, few, other, single, one)])
    assert [settings for settings, _ in alone] == [plain[1], one[1], single[1]]
    assert [(group.llm.model, group.connections, len(group.members)) for group in groups] == [
        (composed.llm.model, 4, 4),
        ("qwen", 4, 2),
    ]
    assert groups[0].open_cells == 8


def test_several_configs_run_together_and_what_is_done_is_skipped(composed: Settings, tmp_path: Path, ollama: OllamaDouble) -> None:
    todo = [(settings, cells) for cells, settings in (changed(composed, tmp_path, seeds=2, base_url=ollama.url),)]
    raw = settings_of(tmp_path, *TABLE[:2], "optimizer=raw_phi4", f"llm.base_url={ollama.url}", "budget=2", "seeds=2")
    todo.append((raw, list(cells_in(raw))))
    assert run_all(todo) == Result(done=4)
    assert run_all(todo) == Result(skipped=4)
    assert len(records(tmp_path / "main")) == 4


def test_live_trainings_give_the_same_in_children(tmp_path: Path, ollama: OllamaDouble) -> None:
    found = []
    for connections in (3, 1):
        more = (f"llm.base_url={ollama.url}", f"llm.connections={connections}", "optimizer=tcs_phi4", "budget=1", "seeds=3")
        cells, settings = cells_of(tmp_path / str(connections), *more)
        assert run_cells(cells, settings) == Result(done=3)
        found.append(records(tmp_path / str(connections) / "main"))
    assert found[0] == found[1]


def test_no_more_children_train_than_there_are_cores_and_all_of_them_are_ended(tmp_path: Path) -> None:
    def children_of_this() -> list[int]:
        return [child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]

    (cell,), _ = cells_of(tmp_path)
    before, counts, config = set(children_of_this()), set[int](), cell.task.space.default()
    with Children(2) as children:
        one, other = (LentChild(children, replace(cell.task, name=name), NO_LIMITS) for name in ("one", "other"))

        def train(trainer: LentChild) -> int:
            assert trainer.train(config, seed=1).ok
            counts.add(len(set(children_of_this()) - before))
            return 1

        jobs = [functools.partial(train, trainer) for trainer in (one, one, one, one, other)]
        assert [ended.value for ended in run_side_by_side(jobs, 5)] == [1] * 5
        assert max(counts) == 2, "an idle child of another task makes room"
    assert set(children_of_this()) == before


class Crowded(OllamaDouble):
    """Refuses a call while it works on two others, and says when to come back."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work = threading.Semaphore(2)
        self.refused = 0

    def post(self, path: str, body: Any, call: Call) -> None:
        if path == "/api/chat":
            if not self.at_work.acquire(blocking=False):
                self.refused += 1
                raise Refusal(429, self.error_body(429, "too many requests"), {"Retry-After": "0.02"})
            time.sleep(0.01)
            self.at_work.release()  # before the answer: a client that has it may ask at once
        super().post(path, body, call)


def test_a_server_that_takes_fewer_calls_at_a_time_slows_all_cells_and_blocks_none(composed: Settings, tmp_path: Path) -> None:
    with Crowded() as double:
        cells, settings = changed(composed, tmp_path, seeds=10, base_url=double.url, connections=10, tries=2)
        assert run_cells(cells, settings) == Result(done=10)
        assert double.refused


def test_a_refusal_halves_what_is_in_flight_once_for_all_calls_that_were_sent_before_it() -> None:
    limit, overload = RateLimit(16), TransportFault("429", is_overload=True)
    with contextlib.ExitStack() as calls:
        sent = [calls.enter_context(limit.turn()) for _ in range(16)]
        assert all(limit.slow_down(overload, each) for each in sent)
        assert not limit.slow_down(TransportFault("reset"), sent[0])
    assert limit.at_a_time == 8
    for _ in range(200):
        limit.answered()
    assert limit.at_a_time == 16
    with limit.turn() as alone:
        assert not limit.slow_down(overload, alone), "where a call is alone, fewer at a time cannot help"


def test_nothing_is_sent_before_the_server_said() -> None:
    limit = RateLimit(4)
    with limit.turn() as sent:
        limit.slow_down(TransportFault("429", retry_after_seconds=0.05, is_overload=True), sent)
    began = time.monotonic()
    with limit.turn() as next_sent:
        assert next_sent - began >= 0.04


def test_the_call_of_the_earliest_trial_is_sent_first() -> None:
    limit, order = RateLimit(1), list[int]()

    def call(trial: int) -> int:
        with limit.turn(trial):
            order.append(trial)
        return 1

    with limit.turn():
        threads = [threading.Thread(target=call, args=(trial,)) for trial in (3, 1, 2)]
        for thread in threads:
            thread.start()
        while len(limit._waiting) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == [1, 2, 3]


def test_all_cells_spend_from_one_budget_also_at_the_next_launch(tmp_path: Path, openai: OpenAIDouble) -> None:
    cap = 0.05
    gpt4 = settings_of(tmp_path, *TABLE[:2], "optimizer=tcs_gpt4", f"llm.base_url={openai.url}", "budget=2")
    for _ in range(2):
        cells, settings = changed(gpt4, tmp_path, seeds=6, cap_usd=cap, connections=8)
        result = run_cells(cells, settings)
        assert result.done < 6
        assert all("llm.cap_usd=0.05 leaves no room for the next call" in line for line in result.failed)
        tokens = [call.reply for _, call in calls_below(tmp_path) if call.reply]
        spent = sum((reply.prompt_tokens or 0) * 2.5e-6 + (reply.completion_tokens or 0) * 1e-5 for reply in tokens)
        assert cap / 2 < spent <= cap
    cells, settings = changed(gpt4, tmp_path, seeds=6, cap_usd=5.0, connections=8)
    assert run_cells(cells, settings).failed == ()


def test_a_server_that_goes_down_blocks_all_cells_that_are_left_in_one_line(composed: Settings, tmp_path: Path) -> None:
    with OllamaDouble(Script.of(*["valid"] * 6, then="error")) as double:
        cells, settings = changed(composed, tmp_path, seeds=12, base_url=double.url, connections=3, tries=1)
        result = run_cells(cells, settings)
    assert len(result.blocked) == 1
    assert result.failed == ()
    blocked = {json.loads(line)["cell"] for line in (tmp_path / "main" / "blocked.jsonl").read_text().splitlines()}
    assert len(blocked) + result.done == 12


def test_a_task_that_cannot_be_built_fails_each_cell_with_the_reason(tmp_path: Path, ollama: OllamaDouble) -> None:
    more = ("optimizer=tcs_phi4", f"llm.base_url={ollama.url}", "+task.params.nonsense=1", "seeds=2")
    cells, settings = cells_of(tmp_path, *more)
    result = run_cells(cells, settings)
    assert len(result.refused) == 2
    assert "cannot be built from its settings" in result.refused[0]


def test_after_a_job_that_raises_no_further_one_starts() -> None:
    def job(number: int) -> int:
        if number == 1:
            raise SettingsError("no")
        return number

    ended = run_side_by_side([functools.partial(job, number) for number in range(50)], 1)
    assert [each.value for each in ended[:1]] == [0]
    assert isinstance(ended[1].error, SettingsError)
    assert ended[3:] == [Ended()] * 47
    assert not ended[-1].was_started


def test_a_stop_ends_jobs_that_wait() -> None:
    def stop() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_side_by_side([side_by_side_wait, stop], 2)


def side_by_side_wait() -> int:
    with RateLimit(1).turn(), RateLimit(1).turn():
        limit = RateLimit(1)
        with limit.turn(), limit.turn():  # the second one comes never
            return 1


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
def test_ctrl_c_ends_all_cells_at_once_and_the_next_launch_finishes_them(tmp_path: Path, number: signal.Signals) -> None:
    with OllamaDouble(Script.of("valid", then={"do": "hang", "seconds": 300.0})) as double:
        command = (*TABLE, f"llm.base_url={double.url}", "llm.connections=8", "budget=2", "seeds=8", "tracking=off", "progress=off")
        with start(command, tmp_path) as process:
            try:
                wait_for(lambda: double.injected["hang"] == 8)
                os.kill(process.pid, number)
                _, err = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == 128 + number
        assert err.endswith("harness: stopped; the same command goes on from here\n")
        assert len(list(calls_below(tmp_path / "runs"))) == 1
        double.script = Script()
        assert run(command, tmp_path).returncode == 0
    assert [len(rows) for rows in records(tmp_path / "runs" / "main").values()] == [2] * 8


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.full
def test_every_cell_has_its_whole_w_and_b_run(tmp_path: Path, ollama: OllamaDouble) -> None:
    command = (*TABLE, f"llm.base_url={ollama.url}", "llm.connections=4", "budget=2", "seeds=4", "progress=off")
    found = run(command, tmp_path)
    assert (found.returncode, found.stderr.count("W&B")) == (0, 0)
    runs = list((tmp_path / "runs" / "main" / "wandb").glob("offline-run-*"))
    assert len(runs) == 4
    assert len({path.name.split("-", 3)[3] for path in runs}) == 4
    assert [len(cell.trials) for cell in read_offline(tmp_path / "runs" / "main", "main").cells] == [2] * 4


def test_a_thread_that_waits_asks_whether_it_must_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.signals._asked", [signal.SIGINT])
    ended = list[BaseException]()

    def wait() -> None:
        try:
            side_by_side_wait()
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    thread.join(30)
    assert [type(error) for error in ended] == [KeyboardInterrupt]
