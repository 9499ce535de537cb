"""What people type: texts that look like numbers, other tools' words, what Hydra would take otherwise, and commands without arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli

import harness
from harness.config.other_words import meant
from harness.config.overrides import as_typed, with_own_conf
from harness.config.settings import text_keys
from harness.errors import near

QUIET = ("task=toy", "tracking=off", "progress=off", "budget=1")
TEXTS = ["2026_11_26", "1.10", "1e5", "true", "[old]", "007", "inf"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_name_is_taken_as_it_is_typed(cli: Cli, tmp_path: Path, text: str) -> None:
    assert cli(*QUIET, f"study={text}", f"arm={text}").status == 0
    assert (tmp_path / "runs" / text / "toy" / text).is_dir()


def test_names_in_a_sweep_and_in_quotes_are_taken_so_too(cli: Cli, tmp_path: Path) -> None:
    assert cli(*QUIET, "study=1e5,2026_11_26", "-m").status == 0
    assert cli(*QUIET, "study='1.10'", "seeds=2", "-m").status == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"1e5", "2026_11_26", "1.10"}


def test_no_text_and_null_are_no_name(cli: Cli, tmp_path: Path) -> None:
    for arm in ("arm=", "arm=null"):
        assert cli(*QUIET, arm).status == 0
    assert [path.name for path in (tmp_path / "runs" / "main" / "toy").iterdir()] == ["random"]


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ("study=a b", "study='a b'"),
        ("study=it's", 'study="it\'s"'),
        ("+study=1.10", "+study='1.10'"),
        ("llm.model=4o", "llm.model='4o'"),
        ("study=a,1e5", "study='a','1e5'"),
        ("study=", "study="),
        ("arm=NULL", "arm=NULL"),
        ("arm=null,1e5", "arm=null,'1e5'"),
        ("study='1e5'", "study='1e5'"),
        ("study=${task.name}", "study=${task.name}"),
        ("study=choice(a,b)", "study=choice(a,b)"),
        ("study=[a,b]", "study=[a,b]"),
        ("budget=1e5", "budget=1e5"),
        ("task.params.x=1e5", "task.params.x=1e5"),
        ("-m", "-m"),
    ],
)
def test_only_texts_are_put_in_quotes(given: str, typed: str) -> None:
    assert as_typed(given, text_keys()) == typed


def test_the_home_sign_is_the_home_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for number, written in enumerate(("out=~/a", "out='~/a'", "++out=~/a")):
        assert cli(*QUIET, written, f"study=s{number}").status == 0
    assert sorted(path.name for path in (tmp_path / "home" / "a").iterdir()) == ["s0", "s1", "s2"]
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert with_own_conf(["--config-dir=~/conf"]) == [f"--config-dir={tmp_path}/home/conf"]
    assert cli(*QUIET, "out=~nobody-here/a").line.startswith("harness: out=~nobody-here/a: no user of that name")
    assert cli(*QUIET, "out=$HOME/a").line.startswith("harness: out=$HOME/a: the shell has not put in the variable")


REFUSED = {
    "n_trials=20": "there is no setting 'n_trials'; did you mean 'budget'?",
    "trials=20": "there is no setting 'trials'; did you mean 'budget'?",
    "iterations=20": "there is no setting 'iterations'; did you mean 'budget'?",
    "+max-evals=20": "there is no setting 'max-evals'; did you mean 'budget'?",
    "n_startup=3": "there is no setting 'n_startup'; did you mean 'optimizer.startup_trials'?",
    "n_startup_trials=3": "there is no setting 'n_startup_trials'; did you mean 'optimizer.startup_trials'?",
    "optimizer.n_startup_trials=3": "there is no setting 'optimizer.n_startup_trials'; did you mean 'optimizer.startup_trials'?",
    "optimizer.options.n_initial_points=3": (
        "there is no setting 'optimizer.options.n_initial_points'; did you mean 'optimizer.startup_trials'?"
    ),
    "epochs=5": "there is no setting 'epochs'; did you mean 'task.params.epochs'?",
    "model=x": "there is no setting 'model'; did you mean 'llm.model'?",
    "temperature=0": "there is no setting 'temperature'; did you mean 'llm.temperature'?",
    "lr=0.1": "there is no setting 'lr'; the methods tune it: its range is task.space.learning_rate.low and ",
    "n_jobs=2": "there is no setting 'n_jobs'; did you mean 'hydra/launcher=joblib hydra.launcher.n_jobs'?",
    "Budget=3": "there is no setting 'Budget'; did you mean 'budget'?",
    "optimizer=TPE": "there is no optimizer 'TPE'; did you mean 'tpe'?",
    "~tracking": "~tracking cannot be left out; write tracking=off to do without W&B",
    "tracking=false": "tracking=false: write tracking=off to do without W&B",
    "tracking=null": "tracking=null: write tracking=off to do without W&B",
    "tracking=online": "tracking=online: write tracking=wandb_online",
    "llm=null": "llm=null: write llm=none for no LLM",
    "hydra.run.dir=x": "hydra.run.dir: the harness says where records go: write out=FOLDER and study=NAME instead",
    "hydra.sweep.dir=x": "hydra.sweep.dir: the harness says where records go: ",
    "hydra.job.chdir=true": "hydra.job.chdir=true: a command stays in its folder; leave it out, and write out=FOLDER for the records",
    "hydra/sweeper=basic": "hydra/sweeper=basic: the harness has its own sweeper; choose a tuning method by optimizer=NAME",
    "seed=interval(0,3)": "seed=interval(0,3): a sweep needs values, and an interval has none; write seeds=3, or 'seed=range(3)' with -m",
    "budget=interval(1,3)": "budget=interval(1,3): a sweep needs values, and an interval has none; write budget=A,B,C or ",
}


SWEPT = ("n_trials=20", "optimizer=TPE", "~tracking", "seed=interval(0,3)")


@pytest.mark.parametrize(
    ("word", "more"),
    [
        *(pytest.param(word, (), id=f"one-{word}") for word in REFUSED),
        *(pytest.param(word, ("-m",), id=f"sweep-{word}", marks=() if word in SWEPT else pytest.mark.full) for word in REFUSED),
    ],
)
def test_what_is_another_tools_or_hydras_way_is_answered_with_ours(
    cli: Cli, tmp_path: Path, word: str, more: tuple[str, ...]
) -> None:
    ran = cli("task=toy", word, *more)
    assert ran.status == 2
    assert ran.line.startswith(f"harness: {REFUSED[word]}")
    assert len(ran.line) <= 6 * 80
    assert list(tmp_path.iterdir()) == []


def test_an_answer_never_fills_the_terminal(cli: Cli) -> None:
    for word in ("zzz=1", "agent.zzz=1", "+optimizer.zzz=1", "optimizer=zzzz", "llm=zzzz"):
        assert len(cli("task=toy", word).line) <= 6 * 80
    assert near("zzz", [f"some-name-{n}" for n in range(99)]).endswith(" and 76 more")
    assert near("Tpe", ["TPE", "tpe"]) == "; did you mean 'TPE'?"


def test_a_word_that_the_settings_do_not_have_is_not_suggested() -> None:
    assert meant("epochs", ["budget", "task"]) == "; there is: budget, task"


def test_the_version_is_ours(cli: Cli) -> None:
    for arguments in (("--version",), ("task=toy", "--version")):
        ran = cli(*arguments)
        assert (ran.status, ran.out, ran.err) == (0, f"tcs-harness {harness.__version__}\n", "")


def test_a_command_without_arguments_is_the_help(cli: Cli, tmp_path: Path) -> None:
    ran = cli()
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == cli("--help").out
    assert list(tmp_path.iterdir()) == []
