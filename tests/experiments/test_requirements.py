from mmerc.experiments.reproduction.requirements import _STORED, _describe_target, list_requirements
from mmerc.experiments.reproduction.targets import PaperTargets

PAPER = {
    "paper": "x",
    "corpora": {name: {"compare": "meld"} for name in ("meld", "composed", "other")},
    "encoders": {},
    "systems": {
        "s": {
            "meld": {"end_to_end": {"recipe": "df-erc-meld"}},
            "composed": {"cached": {"recipe": "df-erc-composed-cached"},
                         "end_to_end": {"recipe": "df-erc-composed"}},
            "other": {"cached": {"recipe": "df-erc-composed-cached"}},
        },
        "new": {"meld": {"cached": {"recipe": "not-yet"}}},
    },
    "targets": {
        "t": {
            "title": "A table", "shows": "x", "plot": "table", "baseline": "a", "system": "s",
            "rows": [{"name": "a"}, {"name": "b", "system": "new"},
                     {"name": "c", "published": True}],
            "measured": [
                {"corpus": "composed", "seeds": 5, "minutes": 83.4, "machine": "two cores"},
                {"corpus": "meld", "seeds": 1, "minutes": 7, "machine": "a GPU",
                 "end_to_end": True},
            ],
        }
    },
}  # fmt: skip


def test_target_states_its_requirements_and_duration():
    paper = PaperTargets.model_validate(PAPER)
    item = _describe_target("t", paper, paper.targets["t"])
    assert item.encoders == {
        "meld": ("roberta-large",), "composed": (_STORED, "minilm-l6"), "other": (_STORED,),
    }  # fmt: skip
    assert item.lines == [
        "A table",
        "2 rows of text, audio, video",
        "meld: roberta-large",
        "composed: stored vectors, minilm-l6",
        "any other: stored vectors",
        "this version has no recipe not-yet",
        "composed, 5 seeds: 83 minutes on two cores",
        "meld, end to end, 1 seed: 7 minutes on a GPU",
    ]
    assert item.to_json()["measured"][0]["minutes"] == 83.4


def test_every_target_is_listed_with_all_of_its_recipes():
    for item in list_requirements():
        assert item.missing == ()
        assert all(item.encoders.values()), item.name
