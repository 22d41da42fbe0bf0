import csv
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmerc.labels import MELD_7

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = [
    ("prepare", "meld"),
    ("prepare", "iemocap"),
    ("prepare", "mosi"),
    ("prepare", "composed"),
    ("prepare", "goemotions"),
    ("prepare", "manifest"),
    ("prepare", "feature-pickle"),
    ("encode-text",),
    ("soft-labels",),
    ("extract",),
    ("train",),
    ("evaluate",),
    ("predict",),
]
KEYS = [
    "conversation", "id", "speaker", "text", "start", "end", "label", "probabilities", "weights",
    "similarity", "context_weight", "effects", "context_effect",
    "layer_weights", "left_out",
]  # fmt: skip
SCORES = {"accuracy", "weighted_f1", "macro_f1", "per_class_f1", "calibration_error"}


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def check_prediction(item, labels):
    assert list(item) == KEYS
    assert list(item["probabilities"]) == list(labels)
    assert sum(item["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert item["label"] == max(item["probabilities"], key=item["probabilities"].get)
    assert list(item["weights"]) == ["text", "audio", "video"]


# Every command


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_has_an_example_and_json(mmerc, command):
    outcome = mmerc(*command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Example" in outcome.out
    assert f"mmerc {' '.join(command)}" in " ".join(outcome.out.split())
    assert "--json" in outcome.out
    assert mmerc(*command, "-h").out == outcome.out


def test_version_and_help_of_the_program(mmerc):
    assert mmerc("--version").out.startswith("mmerc 0.")
    helped = mmerc("--help")
    assert helped.code == 0
    assert all(command[0] in helped.out for command in COMMANDS)
    bare = mmerc()
    assert (bare.code, bare.out) == (2, "")
    assert "train" in bare.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "nonsense"),
        (["prepare", "nonsense"], "nonsense"),
        (["prepare"], "Missing command"),
        (["train"], "--recipe"),
        (["encode-text", "--corpus", "x", "--out", "y"], "--model"),
        (["soft-labels", "--corpus", "x", "--out", "y"], "--model"),
        (["predict", "x.txt", "--model", "a", "--modle", "b"], "--modle"),
        (["evaluate", "a", "b"], "b"),
        (["prepare", "meld"], "SOURCE"),
        (["prepare", "meld", "x"], "--out"),
        (["prepare", "feature-pickle", "x", "--labels", "mosi", "--out", "y"], "mosi"),
        (["train", "--recipe", "a", "--corpus", "b", "--out", "c", "--seeds", "0"], "--seeds"),
        (["train", "--recipe", "a", "--corpus", "b", "--out", "c", "--seeds", "x"], "--seeds"),
    ],
)
def test_invalid_call_gives_a_one_sentence_error(mmerc, arguments, message):
    outcome = mmerc(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message.lower() in outcome.sentence.lower()


def test_prediction_does_not_replace_its_input(mmerc, tmp_path):
    (tmp_path / "talk.txt").write_text("A: So glad!\n")
    (tmp_path / "link.txt").symlink_to("talk.txt")
    for out in ("talk.txt", "link.txt"):
        refused = mmerc("predict", tmp_path / "talk.txt", "--model", "x", "--out", tmp_path / out)
        assert refused.code == 2
        assert "is the input, and the result would replace it" in refused.sentence
    assert (tmp_path / "talk.txt").read_text() == "A: So glad!\n"


def test_python_m_mmerc_equals_the_program(program, tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "mmerc", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    done = run("prepare", "manifest", EXAMPLES / "corpus.jsonl", "--out", "c", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["name"] == "corpus"
    failed = program.run("prepare", "manifest", "none.jsonl", "--out", "d", folder=tmp_path)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "mmerc: none.jsonl: no such file; check the path.\n"
    wrong = program.run("train", "--recipe", "none", "--corpus", "c", "--out", "d", folder=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("mmerc: No recipe is called 'none'")
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


# From a manifest to emotions


def test_prepare_prints_a_summary(done, tmp_path):
    file = EXAMPLES / "corpus.jsonl"
    message = done("prepare", "manifest", file, "--labels", "meld", "--out", tmp_path / "a")
    assert f"prepared corpus in {tmp_path / 'a'}" in message.out
    value = done("prepare", "manifest", file, "--out", tmp_path / "b", "--json").json
    assert value["labels"]["names"] == sorted(MELD_7)
    assert {name: c["conversations"] for name, c in value["counts"].items()} == {
        "train": 60, "valid": 10, "test": 12,
    }  # fmt: skip
    done("prepare", "manifest", file, "--out", tmp_path / "b", "--overwrite")


def test_labels_keep_the_order_of_their_file(done, tmp_path):
    names = list(reversed(MELD_7.names))
    (tmp_path / "own.txt").write_text("".join(f"{name}\n" for name in names))
    (tmp_path / "own.json").write_text(json.dumps(names))
    for kind in ("txt", "json"):
        out, labels = tmp_path / kind, tmp_path / f"own.{kind}"
        arguments = (EXAMPLES / "corpus.jsonl", "--labels", labels, "--out", out, "--json")
        assert done("prepare", "manifest", *arguments).json["labels"]["names"] == names


def test_evaluate_shows_the_result_of_training(done, text_run, example_corpus):
    result = json.loads((text_run / "result.json").read_text())
    assert result["recipe"] == "demo"
    assert result["corpus"] == "corpus"
    assert result["seeds"][0]["test"].keys() >= SCORES
    assert list(result["seeds"][0]["test"]["per_class_f1"]) == list(MELD_7)
    assert done("evaluate", text_run, "--json").json == result
    message = done("evaluate", text_run).out
    assert f"{result['summary']['test']['weighted_f1']['mean']:.2f}" in message
    again = done("evaluate", text_run, "--corpus", example_corpus, "--json").json
    assert again["seeds"][0]["test"] == result["seeds"][0]["test"]
    assert again["summary"] == result["summary"]
    (kept,) = (text_run / "evaluations").iterdir()
    assert json.loads((kept / "result.json").read_text()) == again
    trained = (text_run / "seed-0/confusion.csv").read_text()
    assert (kept / "confusion-seed-0.csv").read_text() == trained


def test_training_prints_a_summary(done, trimodal_corpus, small_recipe, tmp_path):
    arguments = ("train", "--recipe", small_recipe, "--corpus", trimodal_corpus, "--out")
    loud = done(*arguments, tmp_path / "a")
    assert "small on trimodal, test split:" in loud.out
    assert [line.split(":")[0] for line in loud.err.splitlines()] == ["seed 0", "seed 0"]
    quiet = done(*arguments, tmp_path / "b", "--quiet", "--json", "--seeds", "2")
    assert quiet.err == ""
    assert [seed["seed"] for seed in quiet.json["seeds"]] == [0, 1]


def test_transcript_in_every_format(done, text_run, tmp_path):
    arguments = ("predict", EXAMPLES / "conversation.txt", "--model", text_run)
    items = lines_of(done(*arguments).out)
    assert len(items) == 10
    for number, item in enumerate(items, start=1):
        check_prediction(item, MELD_7)
        assert (item["conversation"], item["id"]) == ("conversation-1", str(number))
        assert item["weights"]["text"] is not None
        assert item["weights"]["audio"] is item["weights"]["video"] is None
    assert items[1]["speaker"] == "Maëlle"
    table = list(csv.DictReader(io.StringIO(done(*arguments, "--format", "csv").out, newline="")))
    assert [row["label"] for row in table] == [item["label"] for item in items]
    assert [row["text"] for row in table] == [item["text"] for item in items]
    for row, item in zip(table, items, strict=True):
        assert {n: float(row[f"probabilities.{n}"]) for n in MELD_7} == item["probabilities"]
        assert row["weights.audio"] == ""
    read = done(*arguments, "--format", "text").out.splitlines()
    assert read[0] == f"{items[0]['speaker']}: {items[0]['text']}"
    assert items[0]["label"].upper() in read[1]
    message = done(*arguments, "--out", tmp_path / "deep" / "a.jsonl")
    assert message.out == f"10 utterances in {tmp_path / 'deep' / 'a.jsonl'}\n"
    assert lines_of((tmp_path / "deep" / "a.jsonl").read_text()) == items
    message = done(*arguments, "--out", tmp_path / "a.csv", "--format", "csv", "--json")
    assert message.json == {"out": str(tmp_path / "a.csv"), "utterances": 10}


def test_model_folder_predicts_like_its_run(done, text_run):
    file = EXAMPLES / "conversation.txt"
    from_run = done("predict", file, "--model", text_run).out
    assert done("predict", file, "--model", text_run / "seed-0" / "model").out == from_run


def test_prediction_manifest_needs_no_split_speaker_or_label(
    done, text_run, write_manifest, tmp_path
):
    def manifest(name, **more):
        utterance = {"id": "1", "text": "well yes"} | more
        return write_manifest(tmp_path / name, [{"id": "c", "utterances": [utterance]}])

    plain = lines_of(done("predict", manifest("a.jsonl"), "--model", text_run).out)
    labelled = manifest("b.jsonl", label="bewildered")
    assert lines_of(done("predict", labelled, "--model", text_run).out) == plain
    assert plain[0]["speaker"] == "unknown"


@pytest.mark.parametrize(
    "modalities",
    [m for size in (1, 2, 3) for m in itertools.combinations(("text", "audio", "video"), size)],
    ids="+".join,
)
def test_trimodal_model_accepts_any_modalities(
    done, trimodal_run, conversations, write_manifest, tmp_path, modalities
):
    given = [
        {
            "id": item["id"],
            "utterances": [
                u | {"features": {m: v for m, v in u["features"].items() if m in modalities}}
                for u in item["utterances"]
            ],
        }
        for item in conversations
    ]
    file = write_manifest(tmp_path / "some.jsonl", given)
    items = lines_of(done("predict", file, "--model", trimodal_run).out)
    utterances = [utterance for item in given for utterance in item["utterances"]]
    for item, utterance in zip(items, utterances, strict=True):
        check_prediction(item, ("calm", "cross", "glad"))
        present = {m for m, weight in item["weights"].items() if weight is not None}
        assert present == set(utterance["features"])
        assert all(0 < item["weights"][m] < 1 for m in present)


def test_prediction_does_not_depend_on_other_conversations(
    done, trimodal_run, conversations, write_manifest, tmp_path
):
    together = write_manifest(tmp_path / "all.jsonl", conversations)
    alone = write_manifest(tmp_path / "one.jsonl", conversations[3:4])
    items = lines_of(done("predict", together, "--model", trimodal_run).out)
    mine = [item for item in items if item["conversation"] == conversations[3]["id"]]
    for one, other in zip(
        lines_of(done("predict", alone, "--model", trimodal_run).out), mine, strict=True
    ):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


def test_cached_text_vectors_train_a_model_that_predicts(
    done, text_run, tiny_encoder, example_corpus, small_recipe, write_manifest, tmp_path
):
    message = done(
        "encode-text", "--corpus", example_corpus, "--model", text_run, "--out", tmp_path / "tuned",
        "--json",
    ).json  # fmt: skip
    assert message == {
        "vectors": 568, "absent": 0, "saw_label": 421, "width": 32, "out": str(tmp_path / "tuned"),
    }  # fmt: skip
    plain = done(
        "encode-text", "--corpus", example_corpus, "--model", tiny_encoder, "--out", tmp_path / "p"
    )
    assert "568 text vectors, 32 wide" in plain.out
    assert "labels of 0 of them" in plain.out
    soft = done(
        "soft-labels", "--corpus", example_corpus, "--model", text_run, "--out", tmp_path / "s",
        "--json",
    ).json  # fmt: skip
    assert soft == {
        "utterances": 421, "conversations": 60, "saw_label": 60, "out": str(tmp_path / "s"),
    }  # fmt: skip
    arguments = ("--recipe", small_recipe, "--set", "model.modalities=[text]", "--json")
    out = ("--out", tmp_path / "run", "--quiet")
    result = done("train", *arguments, "--corpus", tmp_path / "tuned", *out).json
    assert result["model"] == "df-erc"
    utterance = {"id": "1", "text": "", "features": {"text": [0.5] * 32}}
    file = write_manifest(tmp_path / "a.jsonl", [{"id": "c", "utterances": [utterance]}])
    (item,) = lines_of(done("predict", file, "--model", tmp_path / "run").out)
    check_prediction(item, MELD_7)


# Unusual but valid input


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        ("one utterance", "A: Yes.", 1),
        ("many utterances", "".join(f"{'AB'[i % 2]}: well {i} yes\n" for i in range(500)), 500),
        ("long utterance", f"A: {'word ' * 5000}\nB: yes", 2),
        ("emoji and right to left", "A: 😊🏳️‍🌈\nB: שלום, مرحبا\nC: \u202eabc\u202c", 3),
        ("colons, tabs, carriage returns", "A: b: c\td\r\nB:e\r\n", 2),
        ("byte-order mark", "\ufeffA: Yes.", 1),
        ("comments and two conversations", "# x\nA: a\n\n\n# y\nB: b\n", 2),
    ],
)
def test_unusual_transcripts(done, text_run, tmp_path, name, content, count):
    file = tmp_path / "talk.txt"
    file.write_text(content, encoding="utf-8", newline="")
    for form in ("jsonl", "csv", "text"):
        out = done("predict", file, "--model", text_run, "--format", form).out
        if form == "jsonl":
            items = lines_of(out)
            assert len(items) == count
            for item in items:
                check_prediction(item, MELD_7)


def test_empty_text_is_an_absent_modality(done, text_run, write_manifest, tmp_path):
    utterances = [{"id": "1", "text": ""}, {"id": "2", "text": "yes"}, {"id": "3", "text": "  "}]
    file = write_manifest(tmp_path / "a.jsonl", [{"id": "c", "utterances": utterances}])
    items = lines_of(done("predict", file, "--model", text_run).out)
    assert [item["weights"]["text"] is None for item in items] == [True, False, True]
    for item in items:
        check_prediction(item, MELD_7)


def test_evaluate_accepts_packaged_models(done, mmerc, example_corpus):
    outcome = done("evaluate", "mmerc-mini-text", "--corpus", example_corpus, "--json")
    assert outcome.json["recipe"] == "mmerc-mini-text"
    assert outcome.json["seeds"][0]["test"].keys() >= SCORES
    table = done("evaluate", "mmerc-mini-text", "--corpus", example_corpus).out
    assert "mmerc-mini-text on corpus, test split" in table
    outcome = mmerc("evaluate", "mmerc-mini-text")
    assert outcome.code == 1
    assert "--corpus" in outcome.sentence
