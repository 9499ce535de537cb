from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.llm.backend import Backend, Message, Reply, Request
from harness.llm.build import build_backend
from harness.llm.calls import CallRecord
from harness.llm.errors import NotReady, ReplayDiffers
from harness.llm.replay import Replay
from harness.llm.settings import LlmSettings
from harness.store.codec import CHECKSUM, json_line, with_checksum
from harness.testing.contracts.backend import SCHEMA
from harness.testing.servers.ollama_api import OllamaDouble


def settings_for(server: OllamaDouble, **changes: Any) -> LlmSettings:
    values: dict[str, Any] = {"_target_": "harness.llm.ollama.Ollama", "model": "phi4-reasoning:14b", "base_url": server.url}
    return LlmSettings(**{**values, "name": "phi4", "num_ctx": 4096, "max_tokens": 500, "temperature": 0.8, **changes})


def questions(settings: LlmSettings, seed: int) -> list[Request]:
    """Four trials of one call, the third of two."""
    calls = [(1, 1), (2, 1), (3, 1), (3, 2), (4, 1)]
    return [
        settings.request(
            [Message("user", f"trial {trial}, call {call}")], schema=SCHEMA, seed=100 * seed + trial, trial=trial, call=call
        )
        for trial, call in calls
    ]


def play(settings: LlmSettings, folder: Path, seed: int) -> list[Reply]:
    """Run one cell's calls and keep their records in `folder`."""
    folder.mkdir(parents=True)
    with (folder / "calls.jsonl").open("w") as file:
        backend = build_backend(settings, keep=lambda record: print(with_checksum(json_line(record.to_dict())), file=file))
        return [backend.complete(request) for request in questions(settings, seed)]


@pytest.fixture
def study(ollama: OllamaDouble, tmp_path: Path) -> tuple[LlmSettings, Path, dict[int, list[Reply]]]:
    """Two cells of a finished study; the server is down when it is returned."""
    settings = settings_for(ollama)
    replies = {seed: play(settings, tmp_path / "study" / f"seed{seed}", seed) for seed in (0, 1)}
    ollama._close()
    return settings, tmp_path / "study", replies


Study = tuple[LlmSettings, Path, dict[int, list[Reply]]]


def test_a_study_replays_to_the_same_replies_and_records_without_a_server(study: Study, tmp_path: Path) -> None:
    settings, folder, replies = study
    settings.replay = str(folder)
    for seed in (0, 1):
        assert play(settings, tmp_path / f"again{seed}", seed) == replies[seed]
        first, again = (
            [json.loads(line) for line in path.read_text().splitlines()]
            for path in (folder / f"seed{seed}" / "calls.jsonl", tmp_path / f"again{seed}" / "calls.jsonl")
        )
        for row in first + again:
            del row["seconds"], row[CHECKSUM]
        assert again == first


def test_replay_needs_none_of_the_original_settings(study: Study) -> None:
    _, folder, replies = study
    settings = LlmSettings(name="replay", _target_="harness.llm.replay.Replay", path=str(folder), reply_format="prompt")
    backend = build_backend(settings, keep=lambda _: None)
    assert [backend.complete(request) for request in questions(settings, 1)] == replies[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"messages": (Message("user", "trial 2, call 1\nand more"),)},
            "message 1 (user): line 2 was '(no such line)', is 'and more'",
        ),
        ({"messages": (Message("user", "trial two"),)}, "message 1 (user): line 1 was 'trial 2, call 1', is 'trial two'"),
        ({"messages": (Message("system", "x"), Message("user", "trial 2, call 1"))}, "messages: 1 recorded, 2 asked"),
        ({"temperature": 0.1}, "temperature: 0.8 recorded, 0.1 asked"),
        ({"model": "qwen"}, "model: 'phi4-reasoning:14b' recorded, 'qwen' asked"),
        ({"schema": {"type": "object"}}, "JSON schema: "),
        ({"seed": 5}, "seed: 2 recorded, 5 asked"),
    ],
)
def test_a_replay_says_at_which_trial_and_in_what_it_differs(study: Study, change: dict[str, Any], said: str) -> None:
    settings, folder, _ = study
    settings.replay = str(folder / "seed0")
    backend: Backend = build_backend(settings, keep=lambda _: None)
    first, second, *_ = questions(settings, 0)
    backend.complete(first)
    with pytest.raises(ReplayDiffers) as caught:
        backend.complete(replace(second, **change))
    assert (caught.value.trial, caught.value.call) == (2, 1)
    assert str(caught.value).startswith("the replay differs at trial 2, call 1: ")
    assert said in caught.value.differences[0]
    assert "nearest record in" in caught.value.differences[-1]


def test_the_nearest_record_of_a_study_is_the_one_of_the_same_cell(study: Study) -> None:
    settings, folder, _ = study
    settings.replay = str(folder)
    changed = replace(questions(settings, 1)[1], messages=(Message("user", "trial two"),))
    with pytest.raises(ReplayDiffers) as caught:
        build_backend(settings, keep=lambda _: None).complete(changed)
    assert caught.value.differences[-1] == f"nearest record in {folder / 'seed1' / 'calls.jsonl'}"


def test_a_call_more_or_a_trial_more_than_recorded_is_said(study: Study) -> None:
    settings, folder, _ = study
    settings.replay = str(folder / "seed0")
    backend = build_backend(settings, keep=lambda _: None)
    last = questions(settings, 0)[-1]
    with pytest.raises(ReplayDiffers, match="calls 1 to 1 of this trial, and one more is asked"):
        backend.complete(replace(last, call=2))
    with pytest.raises(ReplayDiffers, match="calls of trials 1 to 4, and none of this one"):
        backend.complete(replace(last, trial=5))


def test_two_cells_that_answer_the_same_question_differently_are_not_chosen_between(study: Study, tmp_path: Path) -> None:
    settings, folder, _ = study
    for seed in (0, 1):
        path = folder / f"seed{seed}" / "calls.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row["decoding"]["seed"] = 1
        path.write_text("".join(f"{with_checksum(json_line(row))}\n" for row in rows))
    settings.replay = str(folder)
    request = replace(questions(settings, 0)[0], seed=1)
    with pytest.raises(ReplayDiffers, match="answer it differently: point"):
        build_backend(settings, keep=lambda _: None).complete(request)
    settings.replay = str(folder / "seed0")
    assert build_backend(settings, keep=lambda _: None).complete(request).text


def test_failed_attempts_answer_nothing(study: Study) -> None:
    settings, folder, _ = study
    path = folder / "seed0" / "calls.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    failed = {k: v for k, v in rows[0].items() if k != "reply"} | {"error": "lost", "error_kind": "TransportFault"}
    path.write_text("".join(f"{with_checksum(json_line(row))}\n" for row in [failed, *rows]))
    assert CallRecord.from_dict(failed).reply is None
    settings.replay = str(folder / "seed0")
    assert build_backend(settings, keep=lambda _: None).complete(questions(settings, 0)[0]).text


@pytest.mark.parametrize("path", [None, "nowhere", "empty"])
def test_nothing_to_replay_is_one_line_that_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    settings = LlmSettings(name="replay", _target_="harness.llm.replay.Replay", path=path)
    with pytest.raises(NotReady, match=r"set llm\.path to a study or cell folder"):
        Replay(settings).complete(Request((Message("user", "?"),), trial=1, call=1))
    assert not Replay.ready(settings).ready


def test_readiness_counts_what_there_is(study: Study) -> None:
    _, folder, _ = study
    found = Replay.ready(LlmSettings(name="replay", _target_="harness.llm.replay.Replay", path=str(folder)))
    assert (found.ready, found.reason) == (True, f"10 answered calls in {folder}")


def test_the_record_of_the_same_cell_comes_first(ollama: OllamaDouble, tmp_path: Path) -> None:
    # Two arms send the same opening request, and a server answers it differently.
    settings = settings_for(ollama)
    given = play(settings, tmp_path / "study" / "digits" / "tcs" / "seed0-aaaa1111", 0)
    file = tmp_path / "study" / "digits" / "blind" / "seed0-bbbb2222" / "calls.jsonl"
    file.parent.mkdir(parents=True)
    rows = [json.loads(line) for line in (tmp_path / "study/digits/tcs/seed0-aaaa1111/calls.jsonl").read_text().splitlines()]
    for row in rows:
        del row[CHECKSUM]
        row["reply"]["text"] = "another answer"
    file.write_text("".join(with_checksum(json_line(row)) + "\n" for row in rows))
    settings.replay = str(tmp_path / "study")

    def replayed(cell: str) -> list[Reply]:
        backend = build_backend(settings, keep=lambda _: None, cell=cell)
        return [backend.complete(request) for request in questions(settings, 0)]

    assert replayed("digits/tcs/seed0-aaaa1111") == given
    assert replayed("digits/tcs/seed0-cccc3333") == given, "the same task, arm and seed under another number"
    assert {reply.text for reply in replayed("digits/blind/seed0-bbbb2222")} == {"another answer"}
    for stranger in ("", "digits/scores/seed0-dddd4444", "digits/tcs/seed1-aaaa1111"):
        with pytest.raises(ReplayDiffers, match="answer it differently"):
            replayed(stranger)
