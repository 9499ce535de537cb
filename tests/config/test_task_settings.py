from __future__ import annotations

from pathlib import Path

import pytest
from support.cells import cells_of, settings_of

from harness.config.overrides import conf_dir
from harness.config.settings import task_spec
from harness.config.task_settings import mirrored
from harness.errors import SettingsError

AGENT = ("optimizer=tcs", "llm=phi4")
# What would tell a model which data set it is, and so what it may have read about it. Short ones count as whole words only.
TELLING = {
    "digits": "digit|handwrit|scikit|uci|1,797|8 x 8",
    "text": "lda|dirichlet|topic|blei",
    "madelon": "madelon|nips|guyon|generated",
    "friedman": "friedman|sin(|generated",
    "ratings": "generated|movielens|400|300",
    "graph": "digit|scikit|uci|1,797|pixel",
    "cora_gcn": "cora|planetoid|citation|paper|2708|2,708|1433|1,433|5278|5,278",
    "sst2_text": "sst|stanford|sentiment|treebank|film|review|6920|6,920|872|1821|1,821",
    "water_potability": "water|potab|kaggle|ph|sulfate|3276|3,276",
    "california_housing": "california|house |housing|census|ocean|income|20640|20,640|13,209",
    "movielens_fm": "movielens|film|movie|star|rating|943|1682|1,682|100k",
    "cifar10_cnn": "cifar|airplane|frog|32 x 32|50,000",
}


def test_the_renamed_card_takes_the_place_of_the_plain_one() -> None:
    plain, renamed = settings_of(Path("runs"), "task=cora_gcn"), settings_of(Path("runs"), "task=cora_gcn", "task.card=renamed")
    assert "Cora" in plain.task.card.title
    assert "Cora" not in str(renamed.task.card)
    assert renamed.task.renamed
    assert "Cora" not in str(renamed.recorded["task"]["card"])


def test_a_renamed_card_makes_another_arm_of_an_agent_and_leaves_classical_cells_as_they_are() -> None:
    ((agent,), _), ((hidden,), _) = (
        cells_of(Path("runs"), "task=cora_gcn", *AGENT, *more) for more in ((), ("task.card=renamed",))
    )
    assert hidden.id != agent.id
    assert (agent.arm, hidden.arm) == ("tcs_phi4", "tcs_phi4+renamed")
    ((random,), _), ((same,), _) = (cells_of(Path("runs"), "task=cora_gcn", *more) for more in ((), ("task.card=renamed",)))
    assert (same.id, same.arm) == (random.id, random.arm)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("task.card=renamd", "task.card=renamd: give task.card=renamed, or leave it out for the plain card"),
        ("task.card=renamed", "task.card=renamed: task 'toy' has no renamed_card in its YAML"),
    ],
)
def test_a_card_that_is_not_there_is_refused(override: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_of(Path("runs"), override)
    assert str(refused.value) == words


def test_every_task_of_the_suites_has_a_renamed_card() -> None:
    suites = {path.stem: task_spec(path).suite for path in (conf_dir() / "task").glob("*.yaml")}
    assert {name for name, suite in suites.items() if suite in ("core", "full")} == set(TELLING)


@pytest.mark.parametrize("task", TELLING)
def test_nothing_that_a_renamed_prompt_holds_names_the_data(task: str) -> None:
    settings = settings_of(Path("runs"), f"task={task}", "task.card=renamed").task
    space = {hp.name: (hp.meaning, hp.unit) for hp in settings.space}
    shown = f"{settings.card} {space}".lower()
    words = set(shown.replace("'", " ").replace(",", " ").replace(";", " ").split())
    for word in TELLING[task].split("|"):
        assert word not in words if len(word) < 4 else word not in shown


def test_both_cards_of_a_task_tell_the_same_of_everything_but_the_data() -> None:
    for task in TELLING:
        spec = task_spec(conf_dir() / "task" / f"{task}.yaml")
        for field in ("domain", "model", "metric"):
            # Where the plain card names what the data are about, the renamed one cannot say the same.
            if (task, field) not in {("california_housing", "metric"), ("graph", "model")}:
                assert getattr(spec.card, field) == getattr(spec.renamed_card, field)


def test_the_data_set_that_the_mirror_holds_is_taken_and_the_first_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HARNESS_DATA_MIRROR", raising=False)
    assert mirrored("cifar10", "cifar10_subset") == "cifar10"
    monkeypatch.setenv("HARNESS_DATA_MIRROR", str(tmp_path))
    assert mirrored("cifar10", "cifar10_subset") == "cifar10"
    (tmp_path / "cifar10_subset").mkdir()
    assert mirrored("cifar10", "cifar10_subset") == "cifar10_subset"
    (tmp_path / "cifar10").mkdir()
    assert mirrored("cifar10", "cifar10_subset") == "cifar10"


def test_a_cell_on_a_subset_is_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA_MIRROR", raising=False)
    ((whole,), _) = cells_of(Path("runs"), "task=cifar10_cnn")
    (tmp_path / "cifar10_subset").mkdir()
    monkeypatch.setenv("HARNESS_DATA_MIRROR", str(tmp_path))
    ((part,), settings) = cells_of(Path("runs"), "task=cifar10_cnn")
    assert settings.task.params["data_set"] == "cifar10_subset"
    assert part.id != whole.id


def test_a_tasks_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for text in ("a: [1", "- 1", "a: ${nothing}"):
        (tmp_path / "mine.yaml").write_text(text)
        with pytest.raises(SettingsError, match=r"mine\.yaml") as refused:
            task_spec(tmp_path / "mine.yaml")
        assert "\n" not in str(refused.value)
    with pytest.raises(SettingsError, match=r"gone\.yaml"):
        task_spec(tmp_path / "gone.yaml")
