"""IEMOCAP from a folder with the released layout and invented sentences."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmerc.cli.app import app
from mmerc.corpora.iemocap import _CORPUS_NAMES, _MediaSources, _parse_media, _read_iemocap
from mmerc.corpora.registry import reader_of_corpus
from mmerc.data.corpus_media import add_corpus_sounds, corpus_tasks
from mmerc.data.preparation import prepare_corpus
from mmerc.errors import InputError
from mmerc.labels import IEMOCAP_4, IEMOCAP_6

# Per dialog: id, start, end, label, words; unsorted, one missing from the transcript.
LINES = (
    ("F001", 9.5, 11.25, "exc", "You came all this way?"),
    ("F000", 6.2901, 8.2357, "neu", "Over here, please."),
    ("M000", 7.5, 9.0, "hap", "It is lovely: really."),
    ("M001", 12.0, 13.0, "xxx", "Hm."),
    ("M002", 14.0, 15.5, "fru", ""),
    ("F002", 16.0, 17.0, "sad", None),
    ("M003", 18.0, 19.0, "ang", "No."),
)
RATERS = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
EVERY = [
    f"Ses0{session}{letter}_{kind}"
    for session in range(1, 6)
    for letter in "FM"
    for kind in ("impro01", "script01_1b")
]


def transcript_of(dialog):
    said = [
        f"{dialog}_{name} [{start:08.4f}-{end:08.4f}]: {words}"
        for name, start, end, _, words in LINES
        if words is not None
    ]
    unrated = [f"{dialog}_MXX0 [019.0000-020.0000]: Oh.", f"{dialog}_FXX1: (none)"]
    return "\n".join([*said, "M: [BREATHING]", "", *unrated]) + "\n"


def evaluation_of(dialog):
    rated = [
        f"[{start} - {end}]\t{dialog}_{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n{RATERS}"
        for name, start, end, label, _ in LINES
    ]
    return "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n" + "".join(rated)


def folders_of(root, dialog):
    return root / f"Session{dialog[4]}" / "dialog", root / f"Session{dialog[4]}" / "sentences"


@pytest.fixture(scope="session")
def whole_release(tmp_path_factory):
    root = tmp_path_factory.mktemp("release")
    for dialog in EVERY:
        annotations, sentences = folders_of(root, dialog)
        for kind, content in (("transcriptions", transcript_of), ("EmoEvaluation", evaluation_of)):
            (annotations / kind).mkdir(parents=True, exist_ok=True)
            (annotations / kind / f"{dialog}.txt").write_text(content(dialog))
            (annotations / kind / f"._{dialog}.txt").write_bytes(b"\x00\x05\x16\x07")
        (annotations / "EmoEvaluation/Categorical").mkdir(exist_ok=True)
        (annotations / "EmoEvaluation/Categorical" / f"{dialog}_e1_cat.txt").write_text("other")
        (annotations / "avi/DivX").mkdir(parents=True, exist_ok=True)
        (annotations / f"avi/DivX/{dialog}.avi").touch()
        (sentences / "wav" / dialog).mkdir(parents=True)
        for name, *_ in LINES:
            (sentences / "wav" / dialog / f"{dialog}_{name}.wav").touch()
    return root


@pytest.fixture
def release(whole_release, tmp_path):
    return shutil.copytree(whole_release, tmp_path / "release")


@pytest.fixture
def annotations(whole_release, tmp_path):
    """A copy of the release without audio and video."""
    media = shutil.ignore_patterns("sentences", "avi")
    return shutil.copytree(whole_release, tmp_path / "release", ignore=media)


def everything(raw):
    return {item.id: item for split in raw.splits.values() for item in split}


def test_dialogs_are_conversations_sorted_by_start(whole_release, round_trip):
    raw = _read_iemocap(whole_release)
    assert sorted(everything(raw)) == sorted(EVERY)
    actual = everything(raw)["Ses01F_impro01"].utterances
    assert [item.id.rpartition("_")[2] for item in actual] == [
        "F000", "M000", "F001", "M002", "M003",
    ]  # fmt: skip
    assert [item.label for item in actual] == [
        "neutral", "happy", "excited", "frustrated", "angry",
    ]  # fmt: skip
    assert [item.speaker for item in actual] == ["Ses01F", "Ses01M", "Ses01F", "Ses01M", "Ses01M"]
    first, second = actual[:2]
    assert (first.text, first.start, first.end) == ("Over here, please.", 6.2901, 8.2357)
    assert second.text == "It is lovely: really."
    assert raw.labels == IEMOCAP_6
    round_trip(raw)


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        ("6", ["neutral", "happy", "excited", "frustrated", "angry"]),
        ("4", ["neutral", "happy", "happy", "angry"]),
        ("4-unmerged", ["neutral", "happy", "angry"]),
    ],
)
def test_label_sets(whole_release, classes, labels):
    raw = _read_iemocap(whole_release, classes=classes)
    assert [item.label for item in everything(raw)["Ses02M_impro01"].utterances] == labels
    assert raw.labels == (IEMOCAP_6 if classes == "6" else IEMOCAP_4)
    assert raw.name == ("iemocap" if classes == "6" else f"iemocap-{classes}")
    assert raw.labels_of == "iemocap"
    assert bool(raw.published) == (classes == "6")


def test_omissions_are_reported(whole_release):
    notes = " ".join(_read_iemocap(whole_release).remarks)
    assert "left out: 20 rated xxx, 20 without a transcript." in notes
    notes = " ".join(_read_iemocap(whole_release, classes="4-unmerged").remarks)
    assert "left out: 20 rated exc, 20 rated fru, 20 rated xxx, 20 without a transcript." in notes


@pytest.mark.parametrize(
    ("dialog", "name", "half"),
    [
        ("Ses01F_impro01", "F000", "left"),
        ("Ses01F_impro01", "M000", "right"),
        ("Ses04M_script01_1b", "F000", "right"),
        ("Ses04M_script01_1b", "M000", "left"),
    ],
)
def test_actor_with_markers_is_on_the_left(whole_release, dialog, name, half):
    (actual,) = (
        item
        for item in everything(_read_iemocap(whole_release))[dialog].utterances
        if item.id == f"{dialog}_{name}"
    )
    session = f"Session{dialog[4]}"
    sound = f"{session}/sentences/wav/{dialog}/{dialog}_{name}.wav"
    film = f"{session}/dialog/avi/DivX/{dialog}.avi"
    assert actual.media == f"{sound}#film={film}&half={half}"
    assert _parse_media(actual.media) == _MediaSources(sound=sound, film=film, half=half)
    assert (whole_release / sound).is_file()
    assert (whole_release / film).is_file()


def test_missing_media_are_reported(release):
    (release / "Session1/dialog/avi/DivX/Ses01F_impro01.avi").unlink()
    for name in ("F000", "M000"):
        (release / f"Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{name}.wav").unlink()
    (release / "Session2/sentences/wav/Ses02F_impro01/Ses02F_impro01_F000.wav").unlink()
    raw = _read_iemocap(release)
    media = [item.media for item in everything(raw)["Ses01F_impro01"].utterances]
    assert media[:2] == [None, None]
    assert _parse_media(media[2]).film is None
    assert _parse_media(media[2]).sound.endswith("_F001.wav")
    other = everything(raw)["Ses02F_impro01"].utterances[0].media
    assert other == "#film=Session2/dialog/avi/DivX/Ses02F_impro01.avi&half=left"
    assert _parse_media(other).sound is None
    assert any("No sound for 3 of 100" in note for note in raw.remarks)
    assert any("No film for 5 of 100" in note for note in raw.remarks)


def test_release_without_media_needs_no_remark(annotations):
    raw = _read_iemocap(annotations)
    assert {item.media for dialog in everything(raw).values() for item in dialog.utterances} == {
        None
    }
    assert not any("No sound" in note or "No film" in note for note in raw.remarks)


def test_split_by_session(whole_release):
    raw = _read_iemocap(whole_release)
    assert {item.id[:5] for item in raw.splits["test"]} == {"Ses05"}
    assert {len(raw.splits[split]) for split in ("train", "valid", "test")} == {14, 2, 4}
    assert not {item.id for item in raw.splits["train"]} & {i.id for i in raw.splits["valid"]}
    assert raw.published == {"test": (1623, 31)}
    notes = " ".join(raw.remarks)
    assert "2 whole training conversations" in notes
    assert "5,246 / 564 / 1,623 utterances, 7,433 in all" in notes
    assert "here 70 / 10 / 20, 100 in all" in notes


def test_split_by_ratio(whole_release):
    raw = _read_iemocap(whole_release, split="ratio")
    sizes = {split: len(conversations) for split, conversations in raw.splits.items()}
    assert sizes == {"train": 16, "valid": 2, "test": 2}
    assert len(everything(raw)) == 20
    assert raw.name == "iemocap-ratio"
    assert raw.labels_of == "iemocap"
    assert "16 / 2 / 2 (8:1:1) with seed 0" in raw.remarks[0]
    assert sum(utterances for utterances, _ in raw.published.values()) == 7380


def test_ratio_is_over_all_dialogs_for_any_emotions(annotations, round_trip):
    splits = []
    for classes in ("6", "4", "4-unmerged"):
        prepared = round_trip(_read_iemocap(annotations, classes=classes, split="ratio"))
        splits.append({part: [c.id for c in group] for part, group in prepared.splits.items()})
        shutil.rmtree(annotations.parent / "prepared")
    assert splits[0] == splits[1] == splits[2]
    emptied = splits[0]["test"][0]
    file = annotations / f"Session{emptied[4]}/dialog/EmoEvaluation/{emptied}.txt"
    without = file.read_text()
    for label in ("neu", "hap", "ang", "sad"):
        without = without.replace(f"\t{label}\t", "\tfru\t")
    file.write_text(without)
    actual = _read_iemocap(annotations, classes="4-unmerged", split="ratio").splits
    rest = {part: [c.id for c in group] for part, group in actual.items()}
    assert rest == splits[0] | {"test": splits[0]["test"][1:]}


def test_licence_terms_are_known_under_every_name():
    assert len(_CORPUS_NAMES) == 6
    assert all(reader_of_corpus(name, None).terms.startswith("IEMOCAP") for name in _CORPUS_NAMES)


@pytest.mark.parametrize("classes", ["6", "4", "4-unmerged"])
@pytest.mark.parametrize("split", ["session", "ratio"])
def test_audio_and_video_are_found_for_any_emotions(whole_release, tmp_path, classes, split):
    raw = _read_iemocap(whole_release, classes=classes, split=split)
    out = tmp_path / "prepared"
    corpus = prepare_corpus("iemocap", whole_release, out, classes=classes, split=split)
    sounds = add_corpus_sounds(corpus, whole_release).sounds
    assert len(sounds) == sum(map(len, everything(raw).values()))
    for (dialog, utterance), clip in sounds.items():
        assert clip.path.name == f"{utterance}.wav"
        assert clip.path.parent.name == dialog
        assert (clip.start, clip.end) == (None, None)
    halves = {task.segment.half for task in corpus_tasks(corpus, whole_release)}
    assert halves == {"left", "right"}


@pytest.mark.parametrize("split", ["session", "ratio"])
def test_result_depends_on_the_seed(whole_release, split):
    def held_out(seed):
        raw = _read_iemocap(whole_release, split=split, seed=seed)
        return frozenset(item.id for item in raw.splits["valid"])

    assert held_out(3) == held_out(3)
    assert len({held_out(seed) for seed in range(6)}) > 1


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("transcriptions", " [006.2901-008.2357]", "", "line 2: '.*_F000' without times"),
        ("transcriptions", "-008.2357", "-006.2901", "line 2: it ends at 006.2901 s, not after"),
        ("transcriptions", "F000 [006", "M000 [006", r"line 3: '.*_M000' occurs twice"),
        (
            "transcriptions",
            "F_impro01_F000",
            "F_impro02_F000",
            "line 2: .* not an utterance of this",
        ),
        ("EmoEvaluation", "[6.2901 - 8.2357]", "[9.0 - 8.2357]", "line 7: it ends at 8.2357 s"),
        ("EmoEvaluation", "F000\tneu", "F001\tneu", "line 7: 'Ses01F_impro01_F001' occurs twice"),
        ("EmoEvaluation", "\tneu\t", "\tjoy\t", "line 7: unknown label 'joy'; use one of ang"),
        ("EmoEvaluation", "\tneu\t", "neu", "line 7: not a rated utterance"),
        ("EmoEvaluation", "[6.2901 - 8.2357]", "[soon - later]", "line 7: not a rated"),
        (
            "EmoEvaluation",
            "F000\tneu",
            "../F000\tneu",
            "line 7: .* not an utterance of this dialog",
        ),
    ],
)
def test_bad_line_is_reported_with_its_file(annotations, kind, old, new, message):
    file = annotations / "Session1/dialog" / kind / "Ses01F_impro01.txt"
    content = file.read_text()
    assert old in content
    file.write_text(content.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"Ses01F_impro01\.txt, {message}"):
        _read_iemocap(annotations)


@pytest.mark.parametrize("kind", ["transcriptions", "EmoEvaluation"])
def test_each_dialog_has_both_files(annotations, kind):
    (annotations / "Session3/dialog" / kind / "Ses03M_impro01.txt").unlink()
    with pytest.raises(InputError, match=rf"{kind}/Ses03M_impro01\.txt: no such file"):
        _read_iemocap(annotations)


def test_evaluation_without_ratings(annotations):
    (annotations / "Session3/dialog/EmoEvaluation/Ses03M_impro01.txt").write_text("% nothing\n")
    with pytest.raises(InputError, match="it contains no rated utterance"):
        _read_iemocap(annotations)


@pytest.mark.parametrize("name", ["Ses01F_impro01", "Ses04", "Ses04F_a b"])
def test_dialog_in_the_wrong_folder(annotations, name):
    for kind in ("transcriptions", "EmoEvaluation"):
        folder = annotations / "Session4/dialog" / kind
        (folder / "Ses04F_impro01.txt").rename(folder / f"{name}.txt")
    with pytest.raises(InputError, match=rf"{name}\.txt: not the name of a dialog of session 4"):
        _read_iemocap(annotations)


def test_missing_session(annotations):
    shutil.rmtree(annotations / "Session4")
    with pytest.raises(InputError, match=r"Session4.dialog: it contains no annotation; give the"):
        _read_iemocap(annotations)


def test_prepare_command(whole_release, tmp_path):
    def call(out, *options):
        arguments = ["prepare", "iemocap", whole_release, "--out", tmp_path / out, *options]
        outcome = CliRunner().invoke(app, list(map(str, arguments)))
        assert outcome.exit_code == 0, outcome.output
        return outcome

    message = call("six")
    assert "1623" in message.stdout
    assert "7,433 in all" in message.stderr
    prepared = json.loads(call("four", "--classes", "4", "--split", "ratio", "--json").stdout)
    assert prepared["name"] == "iemocap-4-ratio"
    assert prepared["labels_of"] == "iemocap"
    assert prepared["labels"]["names"] == list(IEMOCAP_4)
    assert prepared["counts"]["test"]["conversations"] == 2


@pytest.mark.parametrize("media", ["a.wav#film=b.avi", "a#b", "#film=&half=left", "a#half=left"])
def test_media_string_of_another_corpus(media):
    with pytest.raises(InputError, match="is not SOUND#film=FILM&half=left"):
        _parse_media(media)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="#&\n"), min_size=1, max_size=9)


@settings(deadline=None)
@given(sound=NAMES | st.none(), film=NAMES | st.none(), half=st.sampled_from(["left", "right"]))
def test_media_string_round_trip(sound, film, half):
    media = (sound or "") + (f"#film={film}&half={half}" if film else "")
    assert _parse_media(media) == _MediaSources(sound=sound, film=film, half=half if film else None)
