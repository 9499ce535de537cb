from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.help import help_text
from harness.config.overrides import choices, conf_dir, config_dirs, expand_suites, normalise, suites
from harness.errors import SettingsError


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """Make a conf folder with tasks a, b (core), c (full), d (own, unsaid), t (test) and methods m, n (classical), g (gpt)."""
    files = {
        "task": {"a": "core", "b": "'core'", "c": "full # downloads", "d": "", "t": "test"},
        "optimizer": {"m": "classical", "n": "classical", "g": "gpt"},
    }
    for group, members in files.items():
        (tmp_path / group).mkdir()
        for name, suite in members.items():
            (tmp_path / group / f"{name}.yaml").write_text(f"name: {name}\n" + (f"suite: {suite}\n" if suite else ""))
    return tmp_path


@pytest.mark.parametrize(
    ("override", "expanded"),
    [
        ("task=all", "task=a,b"),
        ("task=core", "task=a,b"),
        ("task=core,full", "task=a,b,c"),
        ("task=c,core,a", "task=c,a,b"),
        ("task=full", "task=c"),
        ("task=own", "task=d"),
        ("task=a,t", "task=a,t"),
        ("task=nothing", "task=nothing"),
        ("task=glob(*)", "task=glob(*)"),
        ("optimizer=all", "optimizer=m,n"),
        ("optimizer=classical,gpt", "optimizer=m,n,g"),
        ("task.name=all", "task.name=all"),
        ("study=all", "study=all"),
    ],
)
def test_a_suite_stands_for_its_members_and_all_for_what_costs_nothing(conf: Path, override: str, expanded: str) -> None:
    assert expand_suites(override, [conf]) == expanded


def test_a_word_stands_for_two_suites_unless_a_file_has_that_name(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    for name, suite in {"a": "lcbench", "b": "hpobench", "c": "core", "d": "lcbench"}.items():
        (tmp_path / "task" / f"{name}.yaml").write_text(f"name: {name}\nsuite: {suite}\n")
    assert expand_suites("task=foreign,c", (tmp_path,)) == "task=a,d,b,c"
    assert expand_suites("task=all", (tmp_path,)) == "task=c"
    other = tmp_path / "other"
    (other / "task").mkdir(parents=True)
    (other / "task" / "foreign.yaml").write_text("name: foreign\n")
    assert expand_suites("task=foreign", (tmp_path, other)) == "task=foreign"


def test_the_tasks_of_others_are_34_8_and_4() -> None:
    inside = suites("task", (conf_dir(),))
    assert [len(inside[name]) for name in ("lcbench", "hpobench", "fcnet")] == [34, 8, 4]
    assert expand_suites("task=foreign", (conf_dir(),)).count(",") == 41


def test_a_suite_without_members_is_refused(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    with pytest.raises(SettingsError, match="task=all: no task is in 'all'"):
        expand_suites("task=all", [tmp_path])


def test_the_user_s_own_files_join_the_suites(conf: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.mktemp("own")
    (own / "task").mkdir()
    (own / "task" / "mine.yaml").write_text("suite: core\n")
    (own / "task" / "a.yaml").write_text("suite: core\n")
    assert suites("task", (conf, own))["core"] == ["a", "b", "mine"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("task=a -m optimizer=m", "task=a optimizer=m -m"),
        ("--multirun task=a", "task=a -m"),
        ("task=a -m --multirun", "task=a -m"),
        ("task=all", "task=a,b -m"),
        ("task=full", "task=c"),
        ("task=a --cfg job budget=5", "task=a budget=5 --cfg job"),
        ("--info task=a", "task=a --info"),
        ("--info defaults task=a", "task=a --info defaults"),
        ("--config-dir x=y task=a", "task=a --config-dir x=y"),
        ("task=all --cfg job", "task=a,b --cfg job"),
        ("word", "word"),
        ("~task +x=1", "~task +x=1"),
    ],
)
def test_overrides_come_first_and_flags_after_in_any_order(conf: Path, given: str, expected: str) -> None:
    assert normalise(given.split(), [conf]) == expected.split()


def test_a_value_without_a_name_is_refused(conf: Path) -> None:
    with pytest.raises(SettingsError, match="'=3' has no name"):
        normalise(["=3"], [conf])


def test_the_user_s_folders_are_found_in_each_way_of_writing_them() -> None:
    assert config_dirs(["--config-dir", "a", "task=x", "-cd", "b", "--config-dir=c"]) == [Path("a"), Path("b"), Path("c")]


def test_another_conf_folder_can_be_chosen_and_must_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HARNESS_CONF", str(tmp_path))
    with pytest.raises(SettingsError, match=r"no config.yaml in .*: set HARNESS_CONF"):
        conf_dir()
    (tmp_path / "config.yaml").touch()
    assert conf_dir() == tmp_path


def test_the_choices_are_told_by_suite_in_80_columns(conf: Path) -> None:
    for number in range(40):
        (conf / "optimizer" / f"a-rather-long-name-{number}.yaml").write_text("suite: classical\n")
    text = choices([conf])
    assert max(map(len, text.splitlines())) <= 80
    assert "task        core: a, b; full: c; own: d; test: t" in text
    assert "a-rather-long-name-39" in text


def test_the_help_names_every_choice() -> None:
    text = help_text([])
    for path in conf_dir().glob("*/*.yaml"):
        assert path.stem in text.replace("\n", " ")


def test_the_help_shows_the_user_s_own_files(conf: Path) -> None:
    (conf / "task" / "mine_only.yaml").touch()
    assert "mine_only" in help_text(["--config-dir", str(conf)])
