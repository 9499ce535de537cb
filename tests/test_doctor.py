"""The doctor's table against servers of every state, and with keys that must not be in it."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from support.sweeps import in_full_but

from harness.advise.request import parsed
from harness.config.overrides import HELP_FLAGS, normalise
from harness.config.settings import cells, conf_dir, register, resolved, task_spec
from harness.doctor.__main__ import main
from harness.doctor.findings import examine_llms, examine_tasks
from harness.doctor.next_steps import ORDER, TUNERS, Here, here, next_steps
from harness.doctor.table import command_lines, show
from harness.doctor.task_check import checked
from harness.llm.probe import PROBE_SECONDS
from harness.report.studies import Listed
from harness.task import task_readiness
from harness.testing.servers.double import Double
from harness.testing.servers.ollama_api import OllamaDouble

SECRET = "abcdefgh12345678XYZ"


def own_llm(folder: Path, text: str) -> Path:
    (folder / "llm").mkdir()
    (folder / "llm" / "own.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_double_and_a_window_that_does_not_fit_are_said_below_their_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with OllamaDouble(trained_window=8192) as server:
        text = (
            f"name: own\n_target_: harness.llm.ollama.Ollama\nmodel: phi4-reasoning:14b\nbase_url: {server.url}\nnum_ctx: 32768\n"
        )
        found = list(examine_llms([own_llm(tmp_path, text)]))
    show(found)
    out = " ".join(capsys.readouterr().out.split())
    assert "is a test double: its answers are random configurations" in out
    assert "llm.num_ctx=32768 is more than the window of phi4-reasoning:14b, 8192 tokens" in out


def test_a_file_is_read_as_a_command_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSWERS", str(tmp_path / "answers.gguf"))
    (tmp_path / "answers.gguf").touch()
    texts = {
        "based": "defaults:\n  - llama_cpp\n  - _self_\nname: based\npath: ${oc.env:ANSWERS}\ntimeout_seconds: 9e2\n",
        "packed": "# @package _global_\nllm:\n  name: packed\n  _target_: harness.llm.replay.Replay\n  path: ${study}\n",
        "odd": "name: odd\n_target_: harness.llm.ollama.Ollama\nmodell: x\n",
        "broken": "name: [\n",
        "bare": "name: bare\n",
        "phi4": "name: phi4\n",
    }
    (tmp_path / "llm").mkdir()
    for name, text in texts.items():
        (tmp_path / "llm" / f"{name}.yaml").write_text(text)
    (tmp_path / "llm" / "._based.yaml").write_bytes(b"\xff")
    found = {found.name: found.reason for _, found in examine_llms([tmp_path])}
    assert found.keys() == texts.keys()
    assert f"{tmp_path}/answers.gguf" in found["based"] or "xllamacpp" in found["based"]
    assert "nothing to replay at 'main'" in found["packed"]
    assert "modell" in found["odd"]
    assert "broken.yaml, line 2, column 1" in found["broken"]
    assert "names no backend" in found["bare"]
    assert "give it another name" in found["phi4"]


def test_only_commands_look_like_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PATH", str(tmp_path))
    show(list(examine_llms([conf_dir()])))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "$ curl -fsSL https://ollama.com/install.sh | sh" in lines
    assert "$ ollama serve" in lines
    assert "$ ollama pull phi4-reasoning:14b" in lines
    assert "take llm=gpt6_luna, or another model with llm.model=NAME, or llm.base_url=URL of a server that still does" in lines
    assert len([line for line in lines if line == "$ ollama serve"]) == 1
    assert not [line for line in lines if line.startswith(("$ set", "$ llm.", "$ start"))]


@pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\n", f"{SECRET}\nsecond-line", f"{SECRET}ü"])
def test_a_key_is_never_in_the_table(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("LLM_API_KEY", "OPENAI_API_KEY", "OLLAMA_API_KEY", "WANDB_API_KEY"):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    text = "name: own\n_target_: harness.llm.openai.OpenAI\nmodel: m\nbase_url: http://127.0.0.1:9/v1\nkey_env: LLM_API_KEY\n"
    show(list(examine_llms([conf_dir(), own_llm(tmp_path, text)])))
    out, err = capsys.readouterr()
    assert "OPENAI_API_KEY" in out
    assert SECRET not in (out + err).replace("\n", "").replace(" ", "")


def test_a_suite_whose_tasks_all_stand_alike_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    toy = (conf_dir() / "task" / "toy.yaml").read_text().replace("suite: test", "suite: many")
    for name in "abcd":
        (tmp_path / "task" / f"many_{name}.yaml").write_text(toy)
    assert [found.name for found in examine_tasks([tmp_path])] == ["many (4)"]
    (tmp_path / "task" / "many_d.yaml").write_text(toy.replace("harness.tasks.toy", "harness.tasks.toi"))
    assert [found.name for found in examine_tasks([tmp_path])] == [f"many_{name}" for name in "abcd"]
    (tmp_path / "task" / "many_d.yaml").unlink()  # three are shown one by one
    assert [found.name for found in examine_tasks([tmp_path])] == [f"many_{name}" for name in "abc"]


EVERYTHING = Here(
    llms=frozenset({*TUNERS, "smollm2", "gpt6_luna"}),
    tasks=frozenset({"digits"}),
    own_tasks=("mine",),
    studies=(Listed("first", 3, 4, 0.0),),
    tables=True,
)


def commands_of(found: Here) -> list[str]:
    return [step.command.partition(" -m ")[2] or step.command for step in next_steps(found)]


PAPER, TINY = (
    "harness task=core evaluator=table optimizer=tcs_{0},raw_{0}",
    "harness task=digits evaluator=table optimizer=tcs_smollm2",
)
PAGE, FIRST, CLASSICAL = "harness.report first", "harness +experiment=reproduce_table", "harness task=core"
HOSTED = "harness task=digits optimizer=tcs_gpt6_luna llm.cap_usd=1"


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (EVERYTHING, ["harness.advise task=mine", PAPER.format("phi4"), PAGE]),
        (replace(EVERYTHING, own_tasks=(), llms=frozenset({"qwen35"})), [PAPER.format("qwen35"), PAGE, "harness task=digits"]),
        (Here(tables=True, makefile=True, llms=frozenset({"smollm2"})), ["make reproduce", TINY, CLASSICAL]),
        (Here(tables=True, llms=frozenset({"gpt6_luna"})), [FIRST, HOSTED, CLASSICAL]),
        (Here(), ["harness task=core optimizer=classical", "harness --help"]),
    ],
)
def test_what_to_run_next_is_what_is_ready(found: Here, first: list[str]) -> None:
    assert [told[: len(expected)] for told, expected in zip(commands_of(found), first, strict=True)] == first


def composes(arguments: list[str]) -> list[str]:
    """Return the arms of a command's first task and seed, one for each of its methods."""
    register()
    words = [word for word in normalise(arguments, [conf_dir()]) if not word.startswith("-")]
    several = next((word for word in words if word.startswith("optimizer=") and "," in word), "")
    arms = []
    for method in several.removeprefix("optimizer=").split(","):
        asked = [f"optimizer={method}" if word == several else word.partition(",")[0] for word in words]
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose("config", overrides=asked, return_hydra_config=True)
        arms.append(next(cells(resolved(config))).arm)
    return arms


def test_every_command_that_the_doctor_can_print_is_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "mine.yaml").write_text((conf_dir() / "task" / "toy.yaml").read_text())
    steps = [step for choose in ORDER for found in (EVERYTHING, Here(tables=True)) if (step := choose(found))]
    told = {step.command for step in steps}
    seen = set()
    for command in told:
        _, module, *arguments = shlex.split(command.replace(" -m ", " ", 1))
        seen.add((module, arguments[0].partition("=")[0]))
        if module == "harness.advise":
            assert parsed(arguments).task == "mine"
        elif module == "harness.report":
            assert arguments == ["first"]
        elif arguments == ["--help"]:
            assert set(arguments) <= set(HELP_FLAGS)
        elif "optimizer=classical" not in arguments:
            assert composes(arguments)
    assert {module for module, _ in seen} == {"harness", "harness.advise", "harness.report"}
    assert {word for module, word in seen if module == "harness"} == {"task", "+experiment", "--help"}
    assert composes(["task=digits", "optimizer=tcs_phi4,raw_phi4", "study=phi4"]) == ["tcs_phi4", "raw_phi4"]
    for name in TUNERS:
        assert {(conf_dir() / "optimizer" / f"{kind}_{name}.yaml").is_file() for kind in ("tcs", "raw")} == {True}


def test_the_doctor_fits_eighty_columns_and_ends_with_three_commands_of_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "conf" / "task").mkdir(parents=True)
    (tmp_path / "conf" / "task" / "mine.yaml").write_text((conf_dir() / "task" / "toy.yaml").read_text())
    assert main([]) == 0
    table, _, after = capsys.readouterr().out.partition("what to run next, here and now\n")
    assert max(len(line) for line in table.splitlines()) <= 80
    names = [line.split()[0] for line in table.splitlines() if line.startswith("  ") and line[2] != " "]
    assert {path.stem for path in (conf_dir() / "llm").glob("*.yaml")} - {"none"} <= set(names)
    assert "ollama pull ministral-3:14b" in table
    assert "ministral-3:14b (9.1 GB): no Ollama at" in " ".join(table.split())
    assert "  gpt35             retired   " in table
    assert after.count("  $ ") == 3
    assert "harness.advise task=mine seconds=600" in after.replace("\\\n", " ").split("$")[1]


def test_a_double_is_no_llm_to_tune_with(tmp_path: Path) -> None:
    with OllamaDouble() as server:
        text = f"name: phi4\n_target_: harness.llm.ollama.Ollama\nmodel: phi4-reasoning:14b\nbase_url: {server.url}\n"
        findings = list(examine_llms([own_llm(tmp_path, text)]))
    assert findings[0][1].ready
    assert here(findings).llms == frozenset()


def test_servers_that_hang_are_waited_for_together(tmp_path: Path) -> None:
    class Hanging(Double):
        def get(self, path: str, call: Any) -> None:
            self.stopping.wait(10)

    (tmp_path / "llm").mkdir()
    with Hanging() as server:
        for name in "abcdef":
            text = f"name: {name}\n_target_: harness.llm.ollama.Ollama\nmodel: m\nbase_url: {server.address}\n"
            (tmp_path / "llm" / f"{name}.yaml").write_text(text)
        start = time.perf_counter()
        found = list(examine_llms([tmp_path]))
        assert time.perf_counter() - start < 2 * PROBE_SECONDS
    assert [one.ready for _, one in found] == [False] * 6


def test_the_end_of_a_hosted_model_is_told_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "llm").mkdir()
    days = {"soon": 10, "late": 400, "past": -1}
    ends = {name: date.today() + timedelta(days=left) for name, left in days.items()}
    for name, end in ends.items():
        text = (
            f"name: {name}\n_target_: harness.llm.openai.OpenAI\nmodel: m\nbase_url: http://127.0.0.1:9/v1\nretires: {{m: {end}}}\n"
        )
        (tmp_path / "llm" / f"{name}.yaml").write_text(text)
    found = {one.name: one for _, one in examine_llms([tmp_path])}
    assert found["soon"].warning == f"its provider ends m on {ends['soon']}, in 10 days"
    assert found["past"].warning == f"its provider ended m on {ends['past']}"
    assert found["late"].reason.endswith(f"; served until {ends['late']}")


def test_a_command_is_broken_where_a_shell_goes_on() -> None:
    command = "$ python -m harness task=digits optimizer=tcs_smollm2 seeds=5"
    lines = command_lines(command, 40)
    assert max(map(len, lines)) <= 40
    assert " ".join(line.removesuffix("\\") for line in lines).split() == command.split()
    assert [line.endswith(" \\") for line in lines] == [True] * (len(lines) - 1) + [False]


TASKS = sorted((conf_dir() / "task").glob("*.yaml"))


@pytest.mark.parametrize(
    "path", in_full_but(lambda path: path.stem.startswith(("toy", "hpobench")), TASKS), ids=lambda path: path.stem
)
def test_a_task_that_is_not_imported_is_judged_as_if_it_were(path: Path) -> None:
    spec = task_spec(path)
    judged, asked = checked(spec), task_readiness(spec.target, spec.params)
    assert replace(judged, name="") == replace(asked, name="")
