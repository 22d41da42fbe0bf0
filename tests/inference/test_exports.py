"""Files for other tools, read back by independent readers."""

import csv
import io
import itertools
import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import av
import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio import textgrid
from pympi import Eaf, TextGrid

from mmerc.errors import InputError
from mmerc.inference.analysis import Analysis, Marks
from mmerc.inference.exports.captions import as_webvtt
from mmerc.inference.exports.elan import as_eaf
from mmerc.inference.exports.praat import as_textgrid
from mmerc.inference.exports.tiers import build_tiers, describe, one_line, timed_utterances
from mmerc.inference.exports.utterance_rows import analysis_as_csv, analysis_as_json_lines
from mmerc.inference.results import write_results
from mmerc.labels import LabelSet
from mmerc.prediction.utterance_prediction import UtterancePrediction

LABELS = LabelSet("own", ("calm", "glad", "so, <so>"))
ENDINGS = ["html", "jsonl", "csv", "vtt", "eaf", "TextGrid"]
HOSTILE = [
    "a --> b",
    "<v Eve>x</v> <script>alert(1)</script>",
    "&lt; & &amp; AT&T",
    'she said "no", ""twice""',
    "one\n\ntwo\r\n\r\nthree\rfour",
    "00:00:01.000 --> 00:00:02.000",
    "NOTE\nSTYLE\nWEBVTT",
    "]]> <!-- -- > <?xml?>",
    "\x00\x07\x0b\x1b[2J\ufffe",
    "\u2028separator\u2029 \x85",
    "שלום 😊 e\u0301 \u202eabc",
    "half \ud83d a character",
    'text = "" intervals [2]: xmin = 0',
    "\\ae {1} %i ^sup",
    "   ",
    "",
]


def make_prediction(start, end, *, speaker="Ada", text="Well.", label="glad", name=None):
    probabilities = {"calm": 0.25, "glad": 0.125, "so, <so>": 0.0625} | {label: 0.825}
    return UtterancePrediction(
        conversation="c",
        id=name or f"{speaker}-{start}",
        speaker=speaker,
        text=text,
        start=start,
        end=end,
        label=label,
        probabilities=probabilities,
        weights={"text": 0.6, "audio": 0.4, "video": None},
        similarity=0.5,
        context_weight=0.5,
        effects={"text": 0.3, "audio": -0.1, "video": None},
        context_effect=0.01,
    )


def analysis(*predictions, **changes):
    values = {
        "recording": "a talk.mp4",
        "duration": 10.0,
        "model": "df-erc",
        "labels": LABELS,
        "predictions": predictions,
        "absent": {},
    }
    return Analysis(**values | changes)


SHORT = analysis(
    make_prediction(0.5, 2.0, text="You came!"),
    make_prediction(2.0, 3.25, speaker="Bo", text="I did.", label="calm"),
    make_prediction(3.0, 4.0, text="Sit.", label="so, <so>"),
)
OVERLAPPING = analysis(
    make_prediction(0.0, 4.0, text="long"),
    make_prediction(1.0, 2.0, text="inside"),
    make_prediction(1.5, 3.0, text="inside too"),
    make_prediction(2.0, 2.5, text="after inside"),
    make_prediction(4.0, 5.0, text="touching"),
)
MOMENTS = st.one_of(st.none(), st.floats(0, 20))
ANYTHING = st.lists(
    st.tuples(MOMENTS, MOMENTS, st.sampled_from(["Ada", "Ada (2)", "Bo", "", " "]), st.text()),
    max_size=12,
)


def made_of(drawn):
    names = itertools.count()
    return analysis(
        *(
            make_prediction(a, b, speaker=who, text=text, name=str(next(names)))
            for a, b, who, text in drawn
        )
    )


def read_eaf(text, folder):
    path = folder / "x.eaf"
    path.write_text(text, encoding="utf-8")
    return Eaf(path)


def read_grid(text, folder):
    path = folder / "x.TextGrid"
    path.write_text(text, encoding="utf-8")
    return textgrid.openTextgrid(str(path), includeEmptyIntervals=True)


def read_cues(text):
    return [
        (line.start, line.end, line.plaintext)
        for line in pysubs2.SSAFile.from_string(text, format_="vtt")
    ]


def test_captions_contain_speaker_emotion_and_words():
    head, note, *cues = as_webvtt(SHORT).rstrip("\n").split("\n\n")
    assert head == "WEBVTT"
    assert note.startswith("NOTE emotions in a talk.mp4")
    assert cues[0] == "00:00:00.500 --> 00:00:02.000\n<v Ada>Ada: [glad 82%]\nYou came!"
    assert "[so, &lt;so&gt; 82%]" in cues[2]
    assert read_cues(as_webvtt(SHORT))[1] == (2000, 3250, "Bo: [calm 82%]\nI did.")


def test_prediction_sets_are_in_all_files(tmp_path):
    both, many = (
        replace(item, emotions=emotions, unsure=unsure)
        for item, emotions, unsure in zip(
            SHORT.predictions, (("glad", "calm"), LABELS.names), (False, True), strict=False
        )
    )
    with_sets = replace(SHORT, predictions=(both, many), set_level=0.9)
    cues = read_cues(as_webvtt(with_sets))
    assert [cue[2].split("\n")[0] for cue in cues] == [
        "Ada: [glad 82% | glad or calm]", "Bo: [calm 82% | unsure]",
    ]  # fmt: skip
    grid = read_grid(as_textgrid(with_sets), tmp_path)
    assert [entry[2] for entry in grid.getTier("set@Ada").entries if entry[2]] == ["glad or calm"]
    eaf = read_eaf(as_eaf(with_sets), tmp_path)
    assert eaf.tiers["set@Bo"][2]["LINGUISTIC_TYPE_REF"] == "set"
    assert [value[2] for value in eaf.get_ref_annotation_data_for_tier("set@Bo")] == ["unsure"]
    ids = [item.get("ANNOTATION_ID") for item in ElementTree.fromstring(as_eaf(with_sets)).iter()]
    assert len([name for name in ids if name]) == len({*ids} - {None}) == 8
    assert "set@" not in as_textgrid(SHORT) + as_eaf(SHORT)


def test_captions_of_a_long_recording():
    times = as_webvtt(analysis(make_prediction(3599.9994, 36000.5))).split("\n\n")[2].split("\n")[0]
    assert times == "00:59:59.999 --> 10:00:00.500"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["text", "speaker"])
def test_captions_of_hostile_text_are_well_formed(text, field, tmp_path):
    created = analysis(
        make_prediction(1.0, 2.0, **{field: text}), make_prediction(2.0, 3.0),
        recording=text, remarks=[text],
    )  # fmt: skip
    (path,) = (item for item in write_results(created, tmp_path, stem="x") if item.suffix == ".vtt")
    blocks = path.read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    assert [block.count("-->") for block in blocks] == [0, 0, 1, 1]
    assert [block.count("\n") for block in blocks[:2]] == [0, 0]
    with av.open(path) as container:  # FFmpeg's own reader
        packets = [packet for packet in container.demux() if packet.size]
    assert [(int(packet.pts), int(packet.duration)) for packet in packets] == [
        (1000, 1000),
        (2000, 1000),
    ]
    payload = blocks[2].split("\n", 1)[1].replace(f"<v {escape(text)}>", "").replace("<v Ada>", "")
    assert "<" not in payload and ">" not in payload


def escape(text):
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return line.encode("utf-8", "replace").decode()


def test_eaf_has_words_and_dependent_tiers(tmp_path):
    eaf = read_eaf(as_eaf(SHORT), tmp_path)
    assert list(eaf.get_tier_names()) == [
        f"{kind}@{name}" for name in ("Ada", "Bo") for kind in ("words", "emotion", "probability")
    ]
    assert eaf.get_annotation_data_for_tier("words@Ada") == [
        (500, 2000, "You came!"),
        (3000, 4000, "Sit."),
    ]
    assert sorted(eaf.get_ref_annotation_data_for_tier("emotion@Ada")) == [
        (500, 2000, "glad", "You came!"),
        (3000, 4000, "so, <so>", "Sit."),
    ]
    assert eaf.get_ref_annotation_data_for_tier("probability@Bo")[0][2] == "0.82"
    assert eaf.get_child_tiers_for("words@Ada") == ["emotion@Ada", "probability@Ada"]
    assert eaf.get_parameters_for_tier("emotion@Bo")["PARTICIPANT"] == "Bo"
    emotion = eaf.get_parameters_for_linguistic_type("emotion")
    assert emotion["CONSTRAINTS"] == "Symbolic_Association"
    entries = eaf.get_cv_entries(emotion["CONTROLLED_VOCABULARY_REF"])
    assert [values[0][0] for values, _ in entries.values()] == list(LABELS)
    (media,) = eaf.get_linked_files()
    assert media["RELATIVE_MEDIA_URL"] == "./a talk.mp4"
    assert media["MIME_TYPE"] == "video/mp4"


def test_eaf_has_the_elements_in_the_order_of_its_schema():
    """pympi accepts any order and unknown references; ELAN does not."""
    root = ElementTree.fromstring(as_eaf(SHORT))
    order = [
        "HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONSTRAINT",
        "CONTROLLED_VOCABULARY",
    ]  # fmt: skip
    assert [name for name, _ in itertools.groupby(item.tag for item in root)] == order
    values = [int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")]
    assert values == sorted(values)
    slots = {slot.get("TIME_SLOT_ID") for slot in root.iter("TIME_SLOT")}
    used = [item.get(f"TIME_SLOT_REF{end}") for item in root.iter() for end in (1, 2)]
    assert sorted(slot for slot in used if slot) == sorted(slots)
    identities = [item.get("ANNOTATION_ID") for item in root.iter() if item.get("ANNOTATION_ID")]
    assert len(set(identities)) == len(identities) == 9
    entries = {item.get("CVE_ID"): item[0].text for item in root.iter("CV_ENTRY_ML")}
    chosen = [(item.get("CVE_REF"), item[0].text) for item in root.iter("REF_ANNOTATION")]
    assert all(entries[entry] == text for entry, text in chosen if entry)
    assert root.get("{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation")


def test_textgrid_has_three_gapless_tiers_per_speaker(tmp_path):
    grid = read_grid(as_textgrid(SHORT), tmp_path)
    assert grid.tierNames[0] == "about"
    assert grid.tierNames[1:4] == ("words@Ada", "emotion@Ada", "probability@Ada")
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 10)
    assert [tuple(entry) for entry in grid.getTier("emotion@Ada").entries] == [
        (0, 0.5, ""),
        (0.5, 2.0, "glad"),
        (2.0, 3.0, ""),
        (3.0, 4.0, "so, <so>"),
        (4.0, 10.0, ""),
    ]
    (tmp_path / "y.TextGrid").write_text(as_textgrid(SHORT), encoding="utf-8")
    second = TextGrid(tmp_path / "y.TextGrid")  # another reader
    words = list(second.get_tier("words@Bo").get_intervals())
    assert words[1] == (2.0, 3.25, "I did.")


def test_overlapping_utterances_of_a_speaker_get_extra_tiers(tmp_path):
    names = ["Ada", "Ada (2)", "Ada (3)"]
    texts = [["long", "touching"], ["inside", "after inside"], ["inside too"]]
    dealt = build_tiers(OVERLAPPING)
    assert [tier.name for tier in dealt] == names
    assert [tier.layer for tier in dealt] == [0, 1, 2]
    assert [[item.prediction.text for item in tier.utterances] for tier in dealt] == texts
    eaf = read_eaf(as_eaf(OVERLAPPING), tmp_path)
    grid = read_grid(as_textgrid(OVERLAPPING), tmp_path)
    for name, expected in zip(names, texts, strict=True):
        tier = f"words@{name}"
        assert [item[2] for item in eaf.get_annotation_data_for_tier(tier)] == expected
        assert [item.label for item in grid.getTier(tier).entries if item.label] == expected


def test_tier_names_are_unique_for_any_speaker_names():
    names = ["Ada", "Ada (2)", "Ada", "", "unknown", "Ada\n"]
    created = analysis(*(make_prediction(i * 0.1, 5, speaker=name) for i, name in enumerate(names)))
    assert len({tier.name for tier in build_tiers(created)}) == 6


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["text", "speaker"])
def test_hostile_text_survives_in_eaf_and_textgrid(text, field, tmp_path):
    created = analysis(
        make_prediction(1.0, 2.0, **{field: text}), recording=text, model=text, remarks=(text,)
    )
    write_results(created, tmp_path, stem="x")
    expected = one_line(text).encode("utf-8", "replace").decode()
    eaf = Eaf(tmp_path / "x.eaf")
    tier = next(iter(eaf.get_tier_names()))
    assert eaf.get_annotation_data_for_tier(tier)[0][:2] == (1000, 2000)
    value = eaf.get_annotation_data_for_tier(tier)[0][2]
    texts = texts_as_praat_reads_them((tmp_path / "x.TextGrid").read_text(encoding="utf-8"))
    assert texts[2:4] == ["IntervalTier", "about"]
    who, words = ("Ada", expected) if field == "text" else (expected or "unknown", "Well.")
    assert tier == f"words@{who}"
    assert " ".join(value.split()) == words
    assert texts[5:10] == ["IntervalTier", tier, "", words, ""]


def texts_as_praat_reads_them(text):
    """Strings in quotation marks, doubled inside; other words are comments (Praat manual)."""
    return [item.replace('""', '"') for item in re.findall(r'"((?:[^"]|"")*)"', text)]


@settings(max_examples=50, deadline=None)
@given(drawn=ANYTHING)
def test_tiers_never_overlap_and_keep_every_utterance(drawn):
    created = made_of(drawn)
    placed = timed_utterances(created)
    expected = sum(
        a is not None and b is not None and round(b * 1000) > round(a * 1000)
        for a, b, _, _ in drawn
    )
    assert len(placed) == expected
    dealt = build_tiers(created)
    assert sum(len(tier.utterances) for tier in dealt) == expected
    for tier in dealt:
        assert all(x.end <= y.start for x, y in itertools.pairwise(tier.utterances))
        assert {item.prediction.speaker for item in tier.utterances} == {tier.speaker}
    assert len(read_cues(as_webvtt(created))) == expected
    root = ElementTree.fromstring(as_eaf(created).encode("utf-8", "replace"))
    assert len(root.findall(".//ALIGNABLE_ANNOTATION")) == expected
    grid = as_textgrid(created)
    assert grid.count("\n        class = ") == 3 * len(dealt) + 1


def test_untimed_utterances_are_in_jsonl_and_csv_and_counted_elsewhere(tmp_path):
    created = analysis(
        make_prediction(None, None),
        make_prediction(1.0, None, name="b"),
        make_prediction(2.0, 2.0),
        make_prediction(3.0, 4.0),
    )
    paths = {path.suffix: path.read_text() for path in write_results(created, tmp_path, stem="x")}
    assert paths[".jsonl"].count("\n") == 4
    assert len(list(csv.DictReader(io.StringIO(paths[".csv"])))) == 4
    assert paths[".vtt"].count(" --> ") == 1
    for ending in (".vtt", ".eaf", ".TextGrid"):
        assert "3 of 4 utterances have no times and are left out" in paths[ending]
    assert "left out" not in describe(SHORT)


@pytest.mark.parametrize("duration", [None, 0.0, 3.5])
def test_no_utterance_has_a_time(duration, tmp_path):
    created = analysis(make_prediction(None, None), duration=duration)
    assert len(write_results(created, tmp_path, stem="x")) == 6
    assert read_cues((tmp_path / "x.vtt").read_text()) == []
    assert list(Eaf(tmp_path / "x.eaf").get_tier_names()) == []
    grid = textgrid.openTextgrid(str(tmp_path / "x.TextGrid"), includeEmptyIntervals=True)
    assert grid.tierNames == ("about",)
    assert grid.maxTimestamp == (duration or 0.001)


def test_recording_with_too_short_duration(tmp_path):
    grid = read_grid(as_textgrid(analysis(make_prediction(9.0, 12.5))), tmp_path)
    assert grid.maxTimestamp == 12.5


def test_all_files_are_written(tmp_path):
    folder = tmp_path / "new"
    paths = write_results(SHORT, folder, stem="a.talk")
    assert [path.name for path in paths] == [f"a.talk.{ending}" for ending in ENDINGS]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert json.loads(paths[1].read_text().split("\n")[0])["text"] == "You came!"


def test_unwritable_folder_gives_a_one_sentence_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_results(SHORT, tmp_path / "file", stem="x")


def test_rows_mark_doubtful_values():
    marks = {"Ada-1": Marks(overlap=0.25, doubtful=((0, 2), (4, 7))), "Ada-5": Marks()}
    created = analysis(make_prediction(1, 2, text="so, yes"), make_prediction(5, 6), marks=marks)
    rows = [json.loads(line) for line in analysis_as_json_lines(created).splitlines()]
    assert [(row["overlap"], row["doubtful_words"]) for row in rows] == [
        (0.25, ["so", "yes"]),
        (None, []),
    ]
    table = list(csv.DictReader(analysis_as_csv(created).splitlines()))
    assert [(row["overlap"], row["doubtful_words"]) for row in table] == [
        ("0.25", "so yes"),
        ("", ""),
    ]


def test_every_format_marks_a_label_that_was_predicted_without_words(tmp_path):
    marks = {"Ada-5": Marks(label="no words")}
    created = analysis(make_prediction(1, 2), make_prediction(5, 6, text=""), marks=marks)
    rows = [json.loads(line) for line in analysis_as_json_lines(created).splitlines()]
    assert [row["doubtful_label"] for row in rows] == [None, "no words"]
    table = list(csv.DictReader(analysis_as_csv(created).splitlines()))
    assert [row["doubtful_label"] for row in table] == ["", "no words"]
    heads = [cue.text.partition("\n")[0] for cue in pysubs2.SSAFile.from_string(as_webvtt(created))]
    assert ["doubtful" in head for head in heads] == [False, True]
    grid = read_grid(as_textgrid(created), tmp_path)
    entries = grid.getTier("doubt@Ada").entries
    assert [tuple(entry) for entry in entries if entry[2]] == [(5, 6, "no words")]
    eaf = read_eaf(as_eaf(created), tmp_path)
    assert [value[2] for value in eaf.get_ref_annotation_data_for_tier("doubt@Ada")] == ["no words"]
    assert "doubt" not in as_textgrid(SHORT) + as_eaf(SHORT) + as_webvtt(SHORT)
