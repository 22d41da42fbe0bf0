from dataclasses import replace

import pytest
import yaml

from mmerc.conversation import MODALITIES
from mmerc.corpora.iemocap import _CORPUS_NAMES
from mmerc.errors import UsageError
from mmerc.experiments.reproduction.catalogue import find_target, target_files
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.targets import OTHER_CORPUS, parse_targets
from mmerc.media.segment import Clip

NAMES = [
    *(f"df-erc-table{n}" for n in (1, 2, 3)),
    *(f"df-erc-figure{n}" for n in (6, 7, 8, 9, 10, 11)),
    *(f"df-erc-figure{n}-normalised" for n in (6, 8)),
    "df-erc-decisions",
    *(f"dq-former-table{n}" for n in (2, 3, 4)),
    *(f"dq-former-figure{n}" for n in (3, 4, 5)),
    *(f"multiemo-table{n}" for n in (1, 2, 3)),
    "multiemo-figure6",
]
GOOD = {
    "paper": "x",
    "corpora": {"meld": {"compare": "meld"}},
    "encoders": {},
    "systems": {"s": {"meld": {"cached": {"recipe": "df-erc-mosi"}}}},
    "targets": {
        "t": {
            "title": "x", "shows": "x", "plot": "table", "baseline": "a", "system": "s",
            "rows": [{"name": "a"}, {"name": "b"}],
        }
    },
}  # fmt: skip
PLACES = [
    (name, corpus)
    for name, file in target_files().items()
    for corpus in file.paper.targets[name].corpora or file.paper.corpora
]


def changed(**target):
    return GOOD | {"targets": {"t": GOOD["targets"]["t"] | target}}


def test_all_targets_are_defined():
    assert sorted(target_files()) == sorted(NAMES)
    assert parse_targets(yaml.safe_dump(GOOD), "good").targets["t"].rows[1].name == "b"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (GOOD | {"extra": 1}, "extra"),
        (changed(extra=1), "extra"),
        (changed(baseline="c"), "no row is called 'c'"),
        (changed(rows=[{"name": "a"}, {"name": "a"}]), "two rows have the same name"),
        (changed(rows=[{"name": "a", "against": "z"}]), "no row is called 'z'"),
        (changed(system="z"), "system 'z'"),
        (changed(rows=[]), "rows"),
        (GOOD | {"systems": {"s": {"meld": {}}}}, "cached, end_to_end or both"),
        ([], "settings"),
    ],
)
def test_invalid_target_data_is_refused(value, named):
    with pytest.raises(UsageError) as caught:
        parse_targets(yaml.safe_dump(value), "file.yaml")
    assert named in str(caught.value)
    assert "file.yaml" in str(caught.value)


def test_invalid_yaml_is_refused():
    with pytest.raises(UsageError, match=r"file\.yaml is not YAML"):
        parse_targets("a: [", "file.yaml")


def test_unknown_target_error_lists_the_known_ones():
    with pytest.raises(
        UsageError, match=r"No target is called 'x'; choose df-erc-table1.*, or all\."
    ):
        find_target("x")


@pytest.mark.parametrize(("name", "corpus"), PLACES)
def test_every_row_has_a_recipe_of_this_version(small_corpus, name, corpus):
    utterance = small_corpus.splits["train"][0]
    sounds = {(utterance.id, utterance.utterances[0].id): Clip("x.wav")}
    given = replace(small_corpus, name=corpus, sounds=sounds)
    plan = make_plan(name, given, PlanOptions())
    trained = {row.name for row in plan.rows if not row.published}
    assert plan.recipes.keys() | plan.left_out.keys() == trained
    assert set(plan.left_out) <= {"Prototypes never restarted", "DQ-Former (large)"}
    assert all(set(r.model.modalities) <= set(MODALITIES) for r in plan.recipes.values())


def test_four_iemocap_emotions_match_the_paper_with_separate_happy():
    corpora = find_target("dq-former-table3").paper.corpora
    assert corpora["iemocap-4-unmerged-ratio"].compare == "iemocap4"
    assert not corpora["iemocap-4-unmerged-ratio"].differs
    assert "the paper takes happy alone" in corpora["iemocap-4-ratio"].differs
    assert {name for name in corpora if name.startswith("iemocap")} <= _CORPUS_NAMES


@pytest.mark.parametrize(
    ("target", "row", "corpus", "weighted_f1", "accuracy"),
    [
        ("df-erc-table1", "M2FNet", "meld", 66.71, 67.85),
        ("df-erc-table2", "-CFM", "meld", 65.49, 66.51),
        ("df-erc-table2", "-DDM, branch dropped", "meld", 65.59, 66.36),
        ("df-erc-table2", "-CRM+Att", "iemocap", 69.34, 70.06),
        ("df-erc-table3", "A+V", "meld", 45.00, 48.70),
        ("multiemo-table1", "-SWFC", "iemocap", 71.08, None),
        ("multiemo-table2", "-MultiAttn", "meld", 62.50, None),
        ("multiemo-table3", "T+V", "iemocap", 67.86, None),
        ("dq-former-table2", "MBT", "meld", 61.98, 63.76),
        ("dq-former-table3", "w/o DMP", "iemocap4", 86.22, 86.15),
        ("dq-former-table4", "DQ-Former, text zeroed", "meld", 39.05, 49.16),
    ],
)
def test_numbers_of_the_papers(target, row, corpus, weighted_f1, accuracy):
    rows = {item.name: item for item in find_target(target).paper.targets[target].rows}
    numbers = rows[row].paper[corpus]
    assert (numbers.weighted_f1, numbers.accuracy) == (weighted_f1, accuracy)


def test_every_row_differs_from_the_others(small_corpus):
    for name, file in target_files().items():
        corpora = file.paper.targets[name].corpora or file.paper.corpora
        if OTHER_CORPUS not in corpora:
            continue
        plan = make_plan(name, small_corpus, PlanOptions())
        recipes = [recipe.model_dump_json() for recipe in plan.recipes.values()]
        assert len(set(recipes)) == len(recipes), name
