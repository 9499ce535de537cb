"""Files of conf/ as people have them: written by editors, copied, in other encodings, and with words that YAML reads otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Cli

from harness.config.overrides import choices, conf_dir, own_conf, suites
from harness.config.settings import task_spec
from harness.errors import SettingsError

TOY = (conf_dir() / "task" / "toy.yaml").read_text()
QUIET = ("tracking=off", "progress=off", "budget=1")
BROKEN = {
    "latin": ("name: x\n# M\xfcller\n".encode("latin-1"), "conf/task/latin.yaml, line 2, column 4: not UTF-8 text"),
    "wide": (TOY.encode("utf-16"), "conf/task/wide.yaml, line 1, column 1: not UTF-8 text"),
    "control": (b"name: x\nb: \x01\n", "conf/task/control.yaml, line 2, column 4: not UTF-8 text, or a character"),
    "tab": (b"name: x\nspace:\n\tx: 1\n", "conf/task/tab.yaml, line 3, column 1: a tab; YAML is indented with spaces"),
    "colon": (b"name: x\ncard: a: b\n", "conf/task/colon.yaml, line 2, column 8: mapping values are not allowed here"),
    "twice": (b"name: a\nname: b\n", "conf/task/twice.yaml, line 2, column 1: found duplicate key name"),
    "cut": (b"a: [1\n", "conf/task/cut.yaml, line 2, column 1: expected ',' or ']'"),
    "list": (b"- 1\n", "task/list.yaml holds no settings: write key: value"),
}


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / "conf" / "task" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    """Make a folder whose conf/task holds a good task among what editors and systems leave, and broken files."""
    write(tmp_path, "mine.yaml", b"\xef\xbb\xbf" + TOY.replace("\n", "\r\n").encode())  # as Windows writes it
    write(tmp_path, "._mine.yaml", b"\0\5\26\7\xff")
    write(tmp_path, "mine.yaml~", b"[")
    write(tmp_path, "mine (copy).yaml", TOY.encode())
    (tmp_path / "conf" / "task" / ".#mine.yaml").symlink_to("somebody@somewhere.1")
    (tmp_path / "conf" / "task" / "gone.yaml").symlink_to("/nowhere")
    (tmp_path / "conf" / "task" / "folder.yaml").mkdir()
    for name, (content, _) in BROKEN.items():
        write(tmp_path, f"{name}.yaml", content)
    return tmp_path


def test_a_command_that_needs_none_of_them_does_not_mind_odd_files(messy: Path, cli: Cli) -> None:
    shown = cli("--help")
    assert (shown.status, shown.err) == (0, "")
    assert "copy" not in shown.out
    assert cli(*QUIET, "task=toy").status == 0
    assert cli(*QUIET, "task=toy,mine", "-m").status == 0


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_line_with_its_place(messy: Path, cli: Cli, name: str) -> None:
    for arguments in ((f"task={name}",), (f"task=toy,{name}", "-m")):
        ran = cli(*QUIET, *arguments)
        assert ran.status == 2
        assert ran.line.startswith(f"harness: {BROKEN[name][1]}")
    assert not (messy / "runs").exists()


def test_a_file_that_cannot_be_opened_is_one_line(messy: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    real = open

    def refusing(file: object, *arguments: object, **more: object) -> object:
        if str(file).endswith("latin.yaml"):
            raise PermissionError(13, "Permission denied", file)
        return real(file, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", refusing)
    assert cli(*QUIET, "task=latin").line == "harness: conf/task/latin.yaml cannot be read (Permission denied)"


def test_a_reference_that_does_not_end_names_its_file_and_key(messy: Path, cli: Cli) -> None:
    write(messy, "open.yaml", TOY.replace("suite: test", "suite: ${oops").encode())
    line = cli(*QUIET, "task=open").line
    assert line.startswith("harness: conf/task/open.yaml: suite: a reference begins with ${ and does not end as one"), line


def test_another_ending_is_told(messy: Path, cli: Cli) -> None:
    write(messy, "short.yml", TOY.encode())
    assert cli("task=short").line == "harness: there is no task 'short'; give conf/task/short.yml the ending .yaml"


def test_hidden_files_copies_and_folders_are_in_no_suite(messy: Path) -> None:
    own = messy / "conf"
    named = {name for members in suites("task", (own,)).values() for name in members}
    assert named == {"mine", "gone", *BROKEN}
    assert "copy" not in choices([conf_dir(), own])


def test_groups_of_the_users_own_work_are_left_alone(tmp_path: Path, cli: Cli) -> None:
    for group, name in (("optimizer", "adam"), ("llm", "lora"), ("experiment", "ablation"), ("dataset", "images")):
        path = tmp_path / "conf" / group / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text("_target_: torch.optim.Adam\nlr: 1e-3\n")
    assert own_conf() == [Path("conf")]
    assert cli(*QUIET, "task=toy").status == 0
    shown = cli("--help").out
    assert "adam" in shown
    assert "images" not in shown
    assert "Key 'lr' not in 'OptimizerSettings'" in cli(*QUIET, "task=toy", "optimizer=adam").line


def test_an_experiment_of_the_users_own_is_found(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "conf" / "experiment" / "mine.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# @package _global_\nbudget: 2\nstudy: from_mine\n")
    assert cli("task=toy", "tracking=off", "progress=off", "+experiment=mine").status == 0
    assert (tmp_path / "runs" / "from_mine" / "toy").is_dir()


def test_a_name_that_the_harness_has_too_is_refused_where_it_is_chosen(tmp_path: Path, cli: Cli) -> None:
    write(tmp_path, "toy.yaml", TOY.encode())
    expected = "harness: task=toy: conf/task/toy.yaml has the name of one that comes with the harness; give it another name"
    assert cli("task=toy").line == expected
    assert cli("task=toy,digits", "-m").line == expected
    assert cli(*QUIET, "task=graph", "--cfg", "job").status == 0


CHANGED = {
    "choices: [no, yes], default: no": ("no", "YAML reads no as false; write 'no' in quotes, or false"),
    "choices: [low, ON], default: low": ("ON", "YAML reads ON as true; write 'ON' in quotes, or true"),
    "choices: [16:9, 4:3], default: 4:3": ("16:9", "YAML reads 16:9 as 969, a number of base 60; write '16:9' in quotes, or 969"),
    "choices: [010, 08], default: 08": ("010", "YAML reads 010 as 8, a number of base 8; write '010' in quotes, or 10 without 0"),
}


def space_file(tmp_path: Path, entry: str) -> Path:
    head = "name: mine\n_target_: x.Y\ncard: {title: t, domain: d, data: d, model: m, metric: m, epochs: 1}\nspace:\n"
    path = tmp_path / "mine.yaml"
    path.write_text(f"{head}  # on or off, no matter\n  x: {{{entry}, meaning: yes or no}}\n")
    return path


@pytest.mark.parametrize("entry", CHANGED)
def test_a_word_that_yaml_makes_something_else_of_is_refused_with_how_to_write_it(tmp_path: Path, entry: str) -> None:
    path = space_file(tmp_path, f"type: categorical, {entry}")
    with pytest.raises(SettingsError) as refused:
        task_spec(path)
    word, words = CHANGED[entry]
    column = path.read_text().splitlines()[-1].index(word) + 1
    assert str(refused.value) == f"{path}, line 6, column {column}: hyperparameter 'x': {words}"


def test_it_is_refused_in_a_card_too(tmp_path: Path) -> None:
    path = space_file(tmp_path, "type: bool, default: no")
    path.write_text(path.read_text().replace("data: d", "data: no"))
    with pytest.raises(SettingsError, match=r"line 3, column 35: card\.data: YAML reads no as false; write 'no' in quotes"):
        task_spec(path)


def test_it_is_refused_in_a_range_and_in_a_condition_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="YAML reads 0100 as 64"):
        task_spec(space_file(tmp_path, "type: int, low: 1, high: 0100, default: 2"))
    with pytest.raises(SettingsError, match="YAML reads off as false"):
        task_spec(space_file(tmp_path, "type: int, low: 1, high: 9, default: 2, when: {y: off}"))


@pytest.mark.parametrize(
    ("entry", "values"),
    [
        ("type: bool, default: no", (False, True)),
        ("type: categorical, choices: ['no', \"16:9\"], default: 'no'", ("no", "16:9")),
        ("type: categorical, choices: [true, false], default: true", (True, False)),
        ("type: categorical, choices: [none, batch], default: none", ("none", "batch")),
        ("type: ordinal, levels: [1e-4, 1E-3, 1.e-2, .1], default: 1e-3", (1e-4, 1e-3, 1e-2, 0.1)),
        ("type: categorical, choices: [2026-11-26, 2026-11-27], default: 2026-11-26", ("2026-11-26", "2026-11-27")),
        ("type: ordinal, levels: [0, 10, 100], default: 0", (0, 10, 100)),
    ],
)
def test_what_is_meant_as_yaml_reads_it_is_taken(tmp_path: Path, entry: str, values: tuple[object, ...]) -> None:
    (hp,) = task_spec(space_file(tmp_path, entry)).space
    assert getattr(hp, "choices", None) == values
    assert [type(value) for value in getattr(hp, "choices", ())] == [type(value) for value in values]


def test_a_command_refuses_such_a_word_before_it_plans(tmp_path: Path, cli: Cli) -> None:
    path = space_file(tmp_path, "type: categorical, choices: [no, yes], default: no")
    write(tmp_path, "mine.yaml", path.read_bytes())
    for arguments in (("task=mine",), ("task=toy,mine", "-m")):
        ran = cli(*QUIET, *arguments)
        assert ran.status == 2
        assert ran.line.startswith("harness: conf/task/mine.yaml, line 6, column 36: hyperparameter 'x': YAML reads no as false")
    assert not (tmp_path / "runs").exists()
