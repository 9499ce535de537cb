from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.config.settings import cells
from harness.optimizers.agent.context import CONTEXTS
from harness.run.study import add_to_plan, block, blocked_by
from harness.store.cell_folder import read_trials
from harness.store.codec import VARYING
from harness.testing.servers.ollama_api import OllamaDouble
from harness.testing.servers.script import Script

Run = Callable[..., Any]
Start = Callable[..., OllamaDouble]


def llm(double: OllamaDouble, *more: str) -> list[str]:
    return ["optimizer=tcs_phi4", f"llm.base_url={double.url}", "budget=3", *more]


def calls(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("number_of_calls", ["one", "two"])
def test_every_context_completes_a_cell_with_one_and_with_two_calls(
    context: str, number_of_calls: str, ollama: Start, run: Run
) -> None:
    double = ollama()
    result, _, folder = run(*llm(double, f"optimizer={context}_phi4", f"agent.calls={number_of_calls}"))
    trials = read_trials(folder)
    assert result.done == 1
    assert [t.proposal.source for t in trials] == ["llm"] * 3
    assert len(calls(folder)) == 3 * (2 if number_of_calls == "two" else 1)
    assert all(t.proposal.note["analysis"] for t in trials)


def test_contexts_differ_in_what_they_show_of_the_trials_and_in_nothing_else(ollama: Start, run: Run) -> None:
    double = ollama()
    prompts = {}
    for context in CONTEXTS:
        _, _, folder = run(*llm(double, f"optimizer={context}_phi4", "start=default", "budget=2"))
        prompts[context] = calls(folder)[0]["messages"][1]["content"]
        shown = read_trials(folder)[1].proposal.note["context"]
        prompts[context] = prompts[context].replace(shown, "CONTEXT")
        score = f"{read_trials(folder)[0].score:.2f}"
        assert (score in shown) == (context != "blind")
        assert ("epoch 1:" in shown) == (context == "raw")
    assert len(set(prompts.values())) == 1


def test_the_prompt_never_shows_a_test_score(ollama: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.tasks.toy import Toy

    def train(self: Toy, config: Any, *, seed: int) -> Any:
        from harness.trial import Epoch

        yield Epoch(val_score_pct=12.5, val_loss=1.0, test_score_pct=77.125)

    monkeypatch.setattr(Toy, "train", train)
    double = ollama()
    for context in CONTEXTS:
        _, _, folder = run(*llm(double, f"optimizer={context}_phi4"))
        assert "77.1" not in (folder / "calls.jsonl").read_text()
        assert read_trials(folder)[-1].outcome.test_score_pct == 77.125


BAD_THEN_GOOD = {
    "invalid_json": "no readable JSON object|no object 'config'",
    "cut_json": "cut off|no readable JSON object|no object 'config'",
    "out_of_range": "above the maximum|below the minimum|is not one of",
    "missing_key": "is missing",
    "extra_key": "unknown hyperparameter",
    "wrong_type": "is not a number|is not an integer|is not one of|is not",
    "not_finite": "no readable JSON object|not a finite number|no object",
    "empty": "empty",
    "think_only": "empty but for thinking",
    "chatter": "no readable JSON object|no object|cut off at the token limit",
    "not_an_object": "no object|no readable",
    "aborted": "repeated itself without end",
}


@pytest.mark.parametrize("fault", BAD_THEN_GOOD)
def test_a_bad_reply_goes_back_with_the_exact_complaint_in_version_1(fault: str, ollama: Start, run: Run) -> None:
    double = ollama(Script.of(fault))
    _, _, folder = run(*llm(double), "agent.prompt=v1")
    trials = read_trials(folder)
    assert [t.proposal.source for t in trials] == ["llm-retry-1", "llm", "llm"]
    problem = trials[0].proposal.note["replies"][0]["problem"]
    assert re.search(BAD_THEN_GOOD[fault], problem), problem
    assert problem in calls(folder)[1]["messages"][-1]["content"]
    assert len(calls(folder)[1]["messages"][2]["content"]) <= 4_000


@pytest.mark.parametrize("fault", BAD_THEN_GOOD)
def test_a_bad_reply_is_drawn_anew_with_the_complaint_as_one_line(fault: str, ollama: Start, run: Run) -> None:
    double = ollama(Script.of(fault))
    _, _, folder = run(*llm(double))
    trials = read_trials(folder)
    assert [t.proposal.source for t in trials] == ["llm-retry-1", "llm", "llm"]
    reply = trials[0].proposal.note["replies"][0]
    assert re.search(BAD_THEN_GOOD[fault], reply["why"]), reply
    first, second = (call["messages"] for call in calls(folder)[:2])
    assert second[0] == first[0]
    assert len(second) == 2, "the bad reply is not shown again"
    before, complaint = second[1]["content"].split(first[1]["content"])
    assert not before
    assert complaint.startswith(f"\n\nAn earlier answer was refused: {reply['why']}")
    assert len(complaint.strip().splitlines()) == 1


def test_a_loop_is_a_kind_of_its_own_and_is_not_shown_to_the_model_again(ollama: Start, run: Run) -> None:
    """Sent again unchanged, the request would end in the same loop for ever."""
    double = ollama(Script.of("aborted", "aborted"))
    result, _, folder = run(*llm(double), "agent.prompt=v1")
    assert result.done == 1
    first = read_trials(folder)[0]
    assert [(reply["kind"], reply["problem"] is None) for reply in first.proposal.note["replies"] if reply["problem"]] == [
        ("aborted", False),
        ("aborted", False),
    ]
    assert first.proposal.source == "llm-retry-2"
    asked = [call["messages"] for call in calls(folder)[:3]]
    assert len({json.dumps(messages) for messages in asked}) == 2, "the loop's own words are the same, and so is the complaint"
    assert len({call["key"] for call in calls(folder)[:3]}) == 3, "each is asked with a seed of its own"
    assert len(asked[1][2]["content"]) <= 200
    assert [call["reply"]["finish_reason"] for call in calls(folder)[:2]] == ["aborted", "aborted"]


def test_an_analysis_that_became_a_loop_is_said_to_be_one(ollama: Start, run: Run) -> None:
    double = ollama(Script.of("aborted"))
    _, _, folder = run(*llm(double, "agent.calls=two"))
    first = read_trials(folder)[0].proposal
    assert first.source == "llm"
    assert (first.note["replies"][0]["kind"], first.note["replies"][0]["role"]) == ("aborted", "analyzer")


def test_every_proposal_says_which_model_answered(ollama: Start, run: Run) -> None:
    double = ollama()
    _, _, folder = run(*llm(double))
    model = read_trials(folder)[0].proposal.note["model"]
    assert (model["model"], model["server"]) == ("phi4-reasoning:14b", "0.32.15-double")
    assert model["digest"] == calls(folder)[0]["reply"]["facts"]["digest"]


def test_a_cell_is_not_finished_by_another_model_of_the_same_name(ollama: Start, run: Run) -> None:
    first = ollama(Script.of("valid", then="busy"))
    result, _, folder = run(*llm(first, "llm.tries=1"))
    assert result.blocked
    assert len(read_trials(folder)) == 1
    other = ollama()
    other.digests["phi4-reasoning:14b"] = "f" * 64
    result, _, _ = run(*llm(other, "llm.tries=1"))
    assert "now phi4-reasoning:14b (ffffffffffff) of a test double (0.32.15-double) answers" in result.failed[0]
    assert len(read_trials(folder)) == 1
    result, _, _ = run(*llm(ollama(), "llm.tries=1"))
    assert result.done == 1


def test_a_command_says_once_that_a_test_double_answers(
    ollama: Start, composed: Run, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    double = ollama()
    for more in ((), (), ("llm.temperature=0.5",), ("optimizer=raw_phi4",)):
        assert blocked_by(composed(f"out={tmp_path}", *llm(double, *more))) is None
    expected = f"llm: the server at {double.url} is a test double: its answers are random configurations\n"
    assert capfd.readouterr().err == expected


@pytest.mark.parametrize("around", ["\n", "\r\n", "\nmore-of-it"])
def test_a_key_with_a_line_break_is_in_no_record_of_what_is_blocked(
    around: str, composed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "abcdefgh12345678XYZ"
    monkeypatch.setenv("LLM_API_KEY", f"{secret}{around}")
    settings = composed(
        f"out={tmp_path}",
        "optimizer=tcs",
        "llm=openai_compatible",
        f"llm.model=m{len(around)}",
        "llm.base_url=http://127.0.0.1:9/v1",
    )
    study, asked = tmp_path / "main", list(cells(settings))
    add_to_plan(study, asked)
    blocked = blocked_by(settings)
    assert blocked is not None
    block(study, asked, blocked)
    assert ("holds a line break" in blocked[0]) == ("more" in around)
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"reason" in data for data in written)
    assert not any(secret.encode() in data for data in [*written, *(text.encode() for text in capfd.readouterr())])


def test_a_backend_that_shows_its_key_in_its_own_errors_leaves_it_in_no_file(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a class of the user's own raises or returns, the records are written by one hand."""
    secret = "planted-0123456789"
    monkeypatch.setenv("LLM_API_KEY", f"{secret}\n")
    for leak in ("raises", "returns"):
        result, _, folder = run("optimizer=tcs", f"llm._target_=support.leaky.{leak.title()}", "llm.name=own", study=leak)
        assert result.failed if leak == "raises" else result.done == 1
        assert (folder / ("failure.json" if leak == "raises" else "calls.jsonl")).exists()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("fault", ["think_then_answer", "fenced", "lone_surrogate"])
def test_a_wrapped_answer_is_used_as_it_is(fault: str, ollama: Start, run: Run) -> None:
    double = ollama(Script.of(then=fault))
    _, _, folder = run(*llm(double))
    assert [t.proposal.source for t in read_trials(folder)] == ["llm"] * 3


def test_a_repeated_configuration_is_one_kind_of_bad_reply(ollama: Start, run: Run) -> None:
    double = ollama(Script.of("valid", "repeat"))
    _, _, folder = run(*llm(double))
    trials = read_trials(folder)
    assert [t.proposal.source for t in trials] == ["llm", "llm-retry-1", "llm"]
    assert "the configuration of trial 1" in trials[1].proposal.note["replies"][0]["problem"]


def test_after_the_last_attempt_comes_one_marked_random_draw(ollama: Start, run: Run) -> None:
    double = ollama(Script.of(then="invalid_json"))
    _, _, folder = run(*llm(double))
    trials = read_trials(folder)
    assert [t.proposal.source for t in trials] == ["fallback"] * 3
    assert len(calls(folder)) == 9
    assert len({json.dumps(t.config) for t in trials}) == 3


def raw(double: OllamaDouble, *more: str) -> list[str]:
    settings = ("optimizer=raw_phi4", "budget=5", "task.params.epochs=60", "llm.max_tokens=256", "llm.num_ctx=4096")
    alike = ("task.space.learning_rate.low=0.001", "task.space.learning_rate.high=0.1")  # no training diverges
    return llm(double, *settings, *alike, *more)


def test_raw_logs_that_do_not_fit_are_answered_with_the_values_that_do(ollama: Start, run: Run) -> None:
    double = ollama()
    result, _, _ = run(*raw(double), study="too-long")
    (line,) = result.failed
    advised = re.search(r"All 5 trials should fit with llm.num_ctx=(\d+), or in this window with agent.log_every=(\d+)", line)
    assert advised, line
    window, step = map(int, advised.groups())
    for setting in (f"llm.num_ctx={window}", f"agent.log_every={step}"):
        result, _, _ = run(*raw(double, setting), study=setting.partition("=")[0])
        assert result.done == 1, result.failed


def test_a_window_that_no_step_fits_and_a_context_without_steps_are_not_told_of_one(ollama: Start, run: Run) -> None:
    double = ollama()
    (line,) = run(*raw(double, "llm.num_ctx=1400", "budget=40"), study="small")[0].failed
    assert "no agent.log_every is enough" in line
    (line,) = run(*llm(double, "llm.max_tokens=64", "llm.num_ctx=800"), study="summary")[0].failed
    assert "raise llm.num_ctx to" in line
    assert "log_every" not in line


@pytest.mark.parametrize("fault", ["reset", "cut", "busy", "error", "rate_limit", "not_json"])
def test_a_lost_call_is_tried_again_and_never_becomes_a_random_draw(fault: str, ollama: Start, run: Run) -> None:
    double = ollama(Script.of(fault))
    result, _, folder = run(*llm(double))
    assert result.done == 1
    assert [t.proposal.source for t in read_trials(folder)] == ["llm"] * 3
    assert any(call.get("error") for call in calls(folder))


def test_a_server_that_stays_down_stops_the_cell_and_the_next_launch_resumes_it(ollama: Start, run: Run) -> None:
    whole = ollama()
    _, _, reference = run(*llm(whole), study="whole")
    first = ollama(Script.of("valid", then="busy"))
    arguments = llm(first, "llm.tries=2")
    result, _, folder = run(*arguments)
    assert result.done == 0
    assert result.blocked
    assert len(read_trials(folder)) == 1
    first.stop()
    second = ollama()
    result, _, again = run(*llm(second, "llm.tries=2"))
    assert again == folder
    assert result.done == 1
    assert [t.config for t in read_trials(folder)] == [t.config for t in read_trials(reference)]


def test_a_finished_study_replays_byte_for_byte_with_the_server_off(ollama: Start, run: Run) -> None:
    double = ollama(Script.random(3, 0.4, ["empty", "out_of_range", "repeat", "fenced"]))
    _, cell, folder = run(*llm(double, "budget=6"))
    double.stop()
    result, same, replayed = run(*llm(double, "budget=6", f"llm.replay={folder}"), study="replayed")
    assert result.done == 1
    assert same.id == cell.id

    def timeless(path: Path) -> list[str]:
        rows = [json.loads(line) for line in (path / "trials.jsonl").read_text().splitlines()]
        return [json.dumps({k: v for k, v in row.items() if k not in VARYING}) for row in rows]

    assert timeless(replayed) == timeless(folder)


def test_a_replay_that_leaves_its_records_says_where_and_in_what(ollama: Start, run: Run) -> None:
    double = ollama()
    _, _, folder = run(*llm(double))
    double.stop()
    result, _, _ = run(*llm(double, f"llm.replay={folder}", "seed=5"), study="other")
    assert result.failed
    assert "the replay differs at trial 1, call 1" in result.failed[0]


def test_calls_that_were_answered_before_a_kill_are_not_made_again(
    ollama: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from harness.store.cell_folder import CellFolder

    double = ollama()
    append = CellFolder.append

    def killed(self: CellFolder, trial: Any) -> None:
        if trial.number == 2:
            raise KeyboardInterrupt
        append(self, trial)

    monkeypatch.setattr(CellFolder, "append", killed)
    with pytest.raises(KeyboardInterrupt):
        run(*llm(double))
    monkeypatch.undo()
    result, _, folder = run(*llm(double))
    assert result.done == 1
    assert len(calls(folder)) == 3
    assert [call["trial"] for call in calls(folder)] == [1, 2, 3]


def test_anonymous_names_reach_the_model_and_real_ones_the_records(ollama: Start, run: Run) -> None:
    double = ollama()
    _, _, folder = run(*llm(double, "agent.names=anonymous"))
    text = "\n".join(m["content"] for call in calls(folder) for m in call["messages"] if m["role"] == "user")
    assert "learning_rate" not in text
    assert "momentum" not in text
    assert set(read_trials(folder)[0].config) == {"learning_rate", "momentum"}


def test_a_key_in_the_environment_reaches_no_record_and_no_error(
    tmp_path: Path, run: Run, ollama: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "sk-planted-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("OLLAMA_API_KEY", secret)
    double = ollama(Script.of({"do": "error", "text": f"bad key {secret}"}, "valid", {"do": "text", "text": "no"}))
    run(*llm(double))
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    assert not any(secret.encode() in data for data in written)
    out, err = capfd.readouterr()
    assert secret not in out + err
