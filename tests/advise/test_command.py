"""`python -m harness.advise` as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest
from advise.late import Late
from conftest import Cli
from support.commands import FAULTY, records
from support.methods import Odd

from harness.advise.request import MOST_SEEDS, help_text, parsed
from harness.report.__main__ import main as report
from harness.store.race import RACE

THREE = "optimizer=default_only,random+default,rules+default"
TOY = ("task=toy", "budget=4", "progress=off", "--no-page")
PAGED = ("task=toy", "budget=6", "progress=off", THREE, "seeds=8")
STUDY = Path("runs/advise-toy")

MISTAKES = {
    "budget=3": "which task? python -m harness.advise task=digits",
    "task=tyo": "there is no task 'tyo'; did you mean 'toy'?",
    "task=toy bugdet=3": "there is no setting 'bugdet'; did you mean 'budget'?",
    "task=toy optimizer=randm": "there is no optimizer 'randm'; did you mean 'random'?",
    "task=toy optimizer=": "optimizer=: name one method or more, such as optimizer=random,rules",
    "task=toy optimizer=random": "a race takes two methods or more, and this is random alone; add more to optimizer=",
    "task=core": "task=core: advice is for one task at a time, and these are digits, ",
    "task=toy seed=3": "seed=3: the race begins at seed 0 and goes on in order; write seeds=N",
    "task=toy seeds=few": "seeds=few: give at most how many seeds the race may take, such as seeds=20",
    "task=toy seconds=soon": "seconds=soon: give seconds above 0, such as seconds=600",
    "task=toy seconds=-1": "seconds=-1: give seconds above 0, such as seconds=600",
    "task=toy budget=1,2": "Ambiguous value for argument 'budget=1,2' (a race takes one value of it)",
    "task=toy -m": "-m: there is no such flag here (python -m harness.advise --help)",
    "task=toy hydra/launcher=joblib": "hydra/launcher=joblib: the race runs its cells one after the other in this process",
    "task=toy llm=phi5": "there is no llm 'phi5'; did you mean 'phi4'?",
    "task=toy llm=phi4 optimizer=random,sobol": "llm: random, sobol would not use it; leave it out",
    "task=toy --config-dir /nope": "--config-dir /nope: there is no such folder",
    "task=toy evaluator=table": "evaluator=table: task 'toy' has no table; there is: digits, ",
    "task=toy +experiment=reproduce": "+experiment=reproduce: an experiment is a study of its own",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line_with_status_2_and_writes_nothing(advise: Cli, tmp_path: Path, command: str) -> None:
    ran = advise(*command.split())
    assert (ran.status, ran.out) == (2, "")
    assert ran.line.startswith(f"harness.advise: {MISTAKES[command]}"), ran.line
    assert list(tmp_path.iterdir()) == []


def test_the_help_fits_a_terminal_and_needs_nothing(advise: Cli) -> None:
    assert advise("--help").out == advise().out == help_text()
    assert max(map(len, help_text().splitlines())) <= 80
    assert parsed(["task=toy"]).seeds == MOST_SEEDS


def test_a_race_says_what_to_use_heads_its_page_with_that_and_trains_nothing_anew(
    advise: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = advise(*PAGED)
    assert (ran.status, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= 80
    text = " ".join(ran.out.split())
    said = text[len("Study advise-toy ") :].partition(" Tuning by ")[0]
    assert said.startswith(
        "Use rules+default; random+default cannot be told from it after 8 seeds; default_only is clearly behind."
    )
    assert " The best configuration is learning_rate=" in said
    for name in ("default_only", "random+default", "rules+default"):
        assert f" {name} 8 " in text
    assert "records: runs/advise-toy" in ran.out
    assert "page: runs/advise-toy/report/report.html" in text

    before = records(STUDY)
    assert len(before) == 24
    again = advise(*PAGED, "--no-page")
    assert ran.out.startswith(again.out)
    assert records(STUDY) == before
    # Jinja's escapes of > and + are none of these texts' characters.
    page = (STUDY / "report" / "report.html").read_text(encoding="utf-8")
    assert said in page[page.index('class="lead"') :]
    assert page.index(said) < page.index('id="scores"')
    # Who asks what to use on a task did not ask what the paper did.
    assert not any(words in page for words in ('class="answers"', "small LLM", "GPT-4", "The source of the method", "paper's"))
    capsys.readouterr()
    assert report(["advise-toy"]) == 0
    assert " ".join(capsys.readouterr().out.split()).startswith(f"Study advise-toy {said}")


@pytest.mark.full
def test_more_seeds_go_on_where_the_race_ended(advise: Cli) -> None:
    advise(*TOY, THREE, "seeds=2")
    two = records(STUDY)
    ran = advise(*TOY, THREE, "seeds=3")
    assert "Nothing can be told yet: " in ran.out
    three = records(STUDY)
    assert (len(two), len(three)) == (6, 9)
    assert two.items() <= three.items()


@pytest.mark.full
def test_equal_methods_are_said_to_be_equal(advise: Cli) -> None:
    ran = advise(
        "--config-dir",
        FAULTY[1],
        "task=faulty",
        "budget=2",
        "progress=off",
        "--no-page",
        "seeds=5",
        THREE,
        "task.params.action=ok",
    )
    said = " ".join(ran.out.split())
    assert ran.status == 0
    assert "Nothing can be told apart: after 5 seeds, the mean scores of all 3 methods are equal." in said


@pytest.mark.full
def test_a_task_that_always_crashes_ends_the_race_after_one_seed(advise: Cli) -> None:
    ran = advise(
        "--config-dir", FAULTY[1], "task=faulty", "budget=2", "progress=off", "--no-page", THREE, "task.params.action=raise"
    )
    assert (ran.status, ran.out) == (1, "")
    assert ran.line.startswith("harness.advise: no method could run: ")
    assert len(list(Path("runs/advise-faulty").glob("*/*/*/failure.json"))) == 3


def test_a_blocked_model_is_named_with_what_helps_and_the_others_race(advise: Cli) -> None:
    ran = advise(*TOY, f"{THREE},tcs", "llm=phi4", "+llm.base_url=http://127.0.0.1:9", "seeds=1", "llm.timeout_seconds=5")
    text = " ".join(ran.out.split())
    assert ran.status == 0, ran.err
    assert "Not raced: tcs_phi4 (no Ollama at http://127.0.0.1:9" in text
    assert "make it ready with: " in text


def own_method(folder: Path, name: str, target: str, options: str = "{}") -> None:
    (folder / "conf" / "optimizer").mkdir(parents=True, exist_ok=True)
    text = f"name: {name}\nsuite: own\n_target_: {target}\nstartup_trials: 0\noptions: {options}\n"
    (folder / "conf" / "optimizer" / f"{name}.yaml").write_text(text)


def test_after_ctrl_c_the_same_command_ends_as_one_that_was_never_stopped(
    advise: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_method(tmp_path, "odd", "support.methods.Odd", "{then: interrupt, good: 2}")
    command = (*TOY, "optimizer=random,odd,sobol", "seeds=2")
    stopped = advise(*command)
    assert (stopped.status, stopped.line) == (130, "harness.advise: stopped; the same command goes on from here")
    monkeypatch.setattr(Odd, "broken", False)
    assert advise(*command).status == 0
    assert advise(*command, "study=whole").status == 0
    assert records(STUDY) == records(Path("runs/whole"))
    assert len(records(STUDY)) == 6


def test_when_the_time_is_up_no_trial_is_written_and_what_is_known_is_said(
    advise: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_method(tmp_path, "late", "advise.late.Late")
    monkeypatch.setattr(Late, "late", True)
    command = (*TOY, "optimizer=random,late", "seeds=2", "seconds=1000")
    ran = advise(*command)
    assert ran.status == 0
    assert ran.err.splitlines()[0] == "the time of seconds=1000 is up; the same command goes on from here"
    assert "Nothing can be told yet: no seed is complete" in ran.out
    assert [len(rows) for rows in records(STUDY).values()] == [1, 4]
    assert advise(*command).status == 0
    assert advise(*command, "study=whole").status == 0
    assert records(STUDY) == records(Path("runs/whole"))


@pytest.mark.full
def test_a_damaged_race_file_is_one_line_and_the_report_does_without(advise: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    advise(*TOY, THREE, "seeds=1")
    (STUDY / RACE).write_text("{}")
    ran = advise(*TOY, THREE, "seeds=1")
    assert ran.status == 2
    assert RACE in ran.line
    capsys.readouterr()
    assert report(["advise-toy"]) == 0
    out = capsys.readouterr().out
    assert RACE in out
    assert "What to use" not in out
