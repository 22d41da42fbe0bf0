"""Corrected files read back: by hand, by pympi and by praatio."""

import csv
import json
import re
from dataclasses import replace

import pytest
from praatio import textgrid
from pympi import Eaf
from talk import ABSENT, ANALYSIS, PREDICTIONS

from mmerc.errors import InputError
from mmerc.inference.analysis import Marks
from mmerc.inference.correction.correct import correct, write_correction
from mmerc.inference.correction.stored_analysis import load_analysis
from mmerc.inference.results import write_results

STEM = "by window"
FORMATS = ["jsonl", "csv", "eaf", "TextGrid"]


@pytest.fixture
def stored(tmp_path):
    """Folder and file stem of an analysis."""
    write_results(ANALYSIS, tmp_path / "results", stem=STEM)
    return tmp_path / "results" / STEM


def result(stored, ending):
    return stored.with_name(f"{STEM}.{ending}")


def changes(correction):
    return [(c.id, c.field, c.before, c.after, c.rater) for c in correction.changes]


def edited(stored, ending, old, new, *, count=1, name="ann"):
    """A copy of a result with a text replaced."""
    text = result(stored, ending).read_text(encoding="utf-8")
    assert old in text
    path = stored.parents[1] / f"{name}.{ending}"
    path.write_text(text.replace(old, new, count), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", ["html", "jsonl", "csv", "eaf", "TextGrid", ""])
def test_analysis_is_read_from_any_of_its_files(stored, ending):
    path = result(stored, ending) if ending else stored
    analysis = load_analysis(path).analysis
    assert analysis == ANALYSIS
    assert load_analysis(stored.parent).analysis == ANALYSIS


def test_table_is_read_if_json_lines_are_missing(stored):
    result(stored, "jsonl").unlink()
    analysis = load_analysis(stored).analysis
    assert analysis.predictions == PREDICTIONS
    assert analysis.absent == ABSENT


def doubt(text, *words):
    """Positions of words in a text."""
    return tuple((text.index(word), text.index(word) + len(word)) for word in words)


TEXT = "\U0001f35e Kept? I kept the seat, the the."
MARKS = {
    "0": Marks(overlap=0.412, doubtful=doubt(TEXT, "I", "kept", "seat,")),
    "1": Marks(overlap=0.0),
    "3": Marks(doubtful=doubt(PREDICTIONS[3].text, "soup.")),
    "4": Marks(overlap=0.25),
}
DOUBTED = replace(
    ANALYSIS, predictions=(replace(PREDICTIONS[0], text=TEXT), *PREDICTIONS[1:]), marks=MARKS
)


@pytest.mark.parametrize("absent", [[], ["html"], ["html", "jsonl"]])
def test_doubts_are_read_back(tmp_path, absent):
    write_results(DOUBTED, tmp_path, stem=STEM)
    for ending in absent:
        result(tmp_path / STEM, ending).unlink()
    assert load_analysis(tmp_path / STEM).analysis.marks == MARKS


def test_page_marks_the_right_one_of_equal_words(tmp_path):
    last = replace(MARKS["0"], doubtful=((len(TEXT) - 4, len(TEXT) - 1),))
    write_results(replace(DOUBTED, marks={"0": last}), tmp_path, stem=STEM)
    assert load_analysis(tmp_path).analysis.marks == {"0": last}


def test_corrected_results_keep_remaining_doubts(tmp_path):
    write_results(DOUBTED, tmp_path / "results", stem=STEM)
    rows = [json.loads(line) for line in result(tmp_path / "results" / STEM, "jsonl").open()]
    rows[0]["text"] += " Yes."
    rows[3]["label"] = "anger"
    rows[4]["speaker"] = "Jonas"
    (tmp_path / "ann.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    correction = correct(tmp_path / "results", [tmp_path / "ann.jsonl"])
    write_correction(correction, tmp_path / "out")
    expected = MARKS | {"0": Marks(overlap=0.412)}
    del expected["4"]
    assert load_analysis(tmp_path / "out" / STEM).analysis.marks == expected


def test_damaged_marks_are_refused(tmp_path):
    write_results(DOUBTED, tmp_path, stem=STEM)
    result(tmp_path / STEM, "html").unlink()
    path = result(tmp_path / STEM, "jsonl")
    path.write_text(path.read_text().replace('"overlap": 0.25', '"overlap": {}'))
    with pytest.raises(InputError, match="overlaps or doubtful words are damaged"):
        load_analysis(tmp_path)


def test_prediction_sets_are_read_back(tmp_path):
    sets = [("joy", "surprise"), ("neutral",)]
    predictions = tuple(
        replace(item, emotions=one, unsure=len(one) > 1)
        for item, one in zip(PREDICTIONS, sets, strict=False)
    )
    asked = replace(ANALYSIS, predictions=predictions, absent={}, set_level=0.9)
    for ending in ("jsonl", "csv"):
        write_results(asked, tmp_path / ending, stem=STEM)
        (tmp_path / ending / f"{STEM}.{'csv' if ending == 'jsonl' else 'jsonl'}").unlink()
        assert load_analysis(tmp_path / ending).analysis == asked


@pytest.mark.parametrize("ending", FORMATS)
def test_unchanged_files_are_reported_and_identical(stored, tmp_path, ending):
    correction = correct(stored, [result(stored, ending)])
    assert correction.changes == () and correction.remarks == ()
    paths = write_correction(correction, tmp_path / "out")
    assert {path.name for path in paths} == {path.name for path in stored.parent.iterdir()}
    for path in paths:
        assert path.read_bytes() == (stored.parent / path.name).read_bytes()


def test_unchanged_files_saved_by_pympi_and_praatio(stored, tmp_path):
    Eaf(str(result(stored, "eaf"))).to_file(str(tmp_path / "again.eaf"))
    grid = textgrid.openTextgrid(str(result(stored, "TextGrid")), includeEmptyIntervals=True)
    for form in ("short_textgrid", "long_textgrid"):
        grid.save(str(tmp_path / f"{form}.TextGrid"), format=form, includeBlankSpaces=True)
    path = tmp_path / "sixteen.TextGrid"
    path.write_bytes(result(stored, "TextGrid").read_text(encoding="utf-8").encode("utf-16"))
    for name in ("again.eaf", "short_textgrid.TextGrid", "long_textgrid.TextGrid", path.name):
        assert correct(stored, [tmp_path / name]).changes == (), name


def test_labels_words_and_speakers_changed_in_json_lines(stored, tmp_path):
    rows = [json.loads(line) for line in result(stored, "jsonl").read_text().splitlines()]
    rows[3] |= {"label": "Anger", "text": "Oh no, not\nthe soup.", "speaker": "Ines", "end": 12.05}
    path = tmp_path / "ann.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    correction = correct(stored, [path])
    assert changes(correction) == [
        ("3", "end", 12.0, 12.05, "ann"),
        ("3", "label", "sadness", "anger", "ann"),
        ("3", "speaker", "Jonas", "Ines", "ann"),
        ("3", "text", "Oh no. Not the soup.", "Oh no, not\nthe soup.", "ann"),
    ]
    assert "were not predicted again" in correction.remarks[0]


def test_label_changed_in_each_format(stored):
    pympi = Eaf(str(result(stored, "eaf")))
    (old,) = [item for item in pympi.get_ref_annotation_data_for_tier("emotion@Jonas")
              if item[0] == 10600]  # fmt: skip
    pympi.remove_ref_annotation("emotion@Jonas", 11000)
    pympi.add_ref_annotation("emotion@Jonas", "words@Jonas", 11000, "fear")
    assert old[2] == "sadness"
    pympi.to_file(str(stored.parents[1] / "ann.eaf"))
    grid = textgrid.openTextgrid(str(result(stored, "TextGrid")), includeEmptyIntervals=False)
    tier = grid.getTier("emotion@Jonas")
    entries = [(*e[:2], "fear") if e[0] == 10.6 else e for e in tier.entries]
    grid.replaceTier("emotion@Jonas", tier.new(entries=entries))
    path = stored.parents[1] / "ann.TextGrid"
    grid.save(str(path), format="short_textgrid", includeBlankSpaces=True)
    for ending in ("eaf", "TextGrid"):
        correction = correct(stored, [stored.parents[1] / f"ann.{ending}"])
        assert changes(correction) == [("3", "label", "sadness", "fear", "ann")]
    table = result(stored, "csv").read_text().replace("12.0,sadness", "12.0,fear")
    (stored.parents[1] / "ann.csv").write_text(table)
    correction = correct(stored, [stored.parents[1] / "ann.csv"], raters=["Zoe"])
    assert changes(correction) == [("3", "label", "sadness", "fear", "Zoe")]


def test_boundaries_words_and_speaker_changed_in_elan(stored):
    pympi = Eaf(str(result(stored, "eaf")))
    for tier in ("emotion@Jonas", "probability@Jonas"):  # 42.1 to 43.0 s
        pympi.remove_ref_annotation(tier, 42500)
    pympi.remove_annotation("words@Jonas", 42500)
    pympi.add_annotation("words@Marta", 42000, 43000, "Of course.")
    pympi.add_ref_annotation("emotion@Marta", "words@Marta", 42500, "joy")
    path = stored.parents[1] / "ann.eaf"
    pympi.to_file(str(path))
    assert changes(correct(stored, [path])) == [
        ("11", "speaker", "Jonas", "Marta", "ann"),
        ("11", "start", 42.1, 42.0, "ann"),
        ("11", "text", "Of course not!", "Of course.", "ann"),
    ]


def test_renamed_participant_and_emotion_tiers_only(stored):
    path = edited(stored, "eaf", 'PARTICIPANT="Ines"', 'PARTICIPANT="Inés"', count=-1)
    correction = correct(stored, [path])
    assert {(c.field, c.after) for c in correction.changes} == {("speaker", "Inés")}
    assert len(correction.changes) == 8
    grid = textgrid.openTextgrid(str(result(stored, "TextGrid")), includeEmptyIntervals=False)
    for name in [name for name in grid.tierNames if not name.startswith("emotion")]:
        grid.removeTier(name)
    grid.save(
        str(stored.parents[1] / "e.TextGrid"), format="long_textgrid", includeBlankSpaces=True
    )
    assert correct(stored, [stored.parents[1] / "e.TextGrid"]).changes == ()


def test_corrected_results_have_both_labels_in_all_formats(stored, tmp_path):
    path = edited(stored, "jsonl", '"label": "sadness"', '"label": "fear"')
    out = tmp_path / "out"
    paths = write_correction(correct(stored, [path]), out)
    assert len(paths) == 7
    row = json.loads((out / f"{STEM}.jsonl").read_text().splitlines()[3])
    assert (row["label"], row["predicted_label"], row["corrected_by"]) == ("fear", "sadness", "ann")
    with open(out / f"{STEM}.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert (table[3]["label"], table[3]["predicted_label"]) == ("fear", "sadness")
    assert (table[4]["predicted_label"], table[4]["corrected_by"]) == ("joy", "")
    assert "ann changed 1 label" in (out / f"{STEM}.html").read_text()
    (listed,) = csv.DictReader((out / f"{STEM}.corrections.csv").read_text().splitlines())
    assert (listed["id"], listed["before"], listed["after"]) == ("3", "sadness", "fear")
    again = correct(out / STEM, [out / f"{STEM}.eaf"])
    assert again.changes == ()
    assert again.corrected.predictions[3].predicted_label == "sadness"
    with pytest.raises(InputError, match="exists already"):
        write_correction(correct(stored, [path]), out)
    write_correction(correct(stored, [path]), out, overwrite=True)


def test_input_is_not_overwritten(stored):
    path = edited(stored, "csv", "12.0,sadness", "12.0,fear")
    before = {file.name: file.read_bytes() for file in stored.parent.iterdir()}
    with pytest.raises(InputError, match="exists already"):
        write_correction(correct(stored, [path]), stored.parent)
    assert before == {file.name: file.read_bytes() for file in stored.parent.iterdir()}


def test_agreeing_raters_are_named_and_disagreeing_ones_refused(stored):
    ann = edited(stored, "csv", "12.0,sadness", "12.0,fear", name="ann")
    ben = edited(stored, "eaf", ">sadness<", ">fear<", name="ben")
    cleo = edited(stored, "TextGrid", '"sadness"', '"joy"', name="cleo")
    assert changes(correct(stored, [ann, ben])) == [("3", "label", "sadness", "fear", "ann, ben")]
    with pytest.raises(InputError) as caught:
        correct(stored, [ann, cleo])
    assert str(caught.value) == (
        "utterance '3': ann and cleo changed its label differently, to 'fear' and to 'joy'; "
        "agree on one in both files."
    )


@pytest.mark.parametrize(
    ("ending", "old", "new", "problem"),
    [
        ("csv", "12.0,sadness", "12.0,bored", "'bored' is not one of the labels"),
        ("csv", "12.0,sadness", "12.0,", "an empty annotation: it has no label"),
        ("csv", "c,3,", "c,300,", "utterance '300' is not in the analysis"),
        ("csv", "c,3,", "c,4,", "utterance '4' occurs twice"),
        ("csv", "10.6,12.0,sadness", "10.6,2.0,sadness", "ends at 2.0 s, before its start"),
        ("csv", "10.6,12.0,sadness", "x,12.0,sadness", "'x' is not a time in seconds"),
        ("eaf", ">sadness<", ">bored<", "'bored' is not one of the labels"),
        ("eaf", ">sadness<", "><", "an empty annotation: it has no label"),
        ("eaf", "./by the window #1.mp4", "./other.mp4", "its tiers are for other.mp4"),
        ("eaf", 'TIME_VALUE="112500"', 'TIME_VALUE="212500"', "past the end of the recording"),
        ("TextGrid", '"sadness"', '""', "an empty annotation: it has no label"),
    ],
)  # fmt: skip
def test_mismatches_give_one_sentence_errors(stored, ending, old, new, problem):
    path = edited(stored, ending, old, new, count=-1 if "mp4" in old else 1)
    with pytest.raises(InputError) as caught:
        correct(stored, [path])
    assert problem in str(caught.value)


def test_tiers_of_another_recording_without_a_name_are_refused(stored, tmp_path):
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words@Ann", [(0.1, 0.3, "Hello")], 0, 1))
    grid.save(str(tmp_path / "x.TextGrid"), format="short_textgrid", includeBlankSpaces=True)
    with pytest.raises(InputError, match="no line matches the times of an utterance"):
        correct(stored, [tmp_path / "x.TextGrid"])
    (tmp_path / "x.csv").write_text("conversation,id,label\nother,1,joy\n")
    with pytest.raises(InputError, match="no line belongs to an utterance"):
        correct(stored, [tmp_path / "x.csv"])


@pytest.mark.parametrize("url", ["file:///C:/films/by%20the%20window %231.mp4", None])
def test_eaf_is_read_without_its_media(stored, url):
    path = edited(stored, "eaf", ">sadness<", ">fear<")
    text = path.read_text(encoding="utf-8")
    (media,) = re.findall("<MEDIA_DESCRIPTOR[^>]*>", text)
    new = "" if url is None else f'<MEDIA_DESCRIPTOR MEDIA_URL="{url}" MIME_TYPE="video/mp4" />'
    path.write_text(text.replace(media, new), encoding="utf-8")
    assert changes(correct(stored, [path])) == [("3", "label", "sadness", "fear", "ann")]


@pytest.mark.parametrize("ending", ["eaf", "TextGrid"])
def test_prediction_set_tiers_are_not_labels(tmp_path, ending):
    items = [replace(item, emotions=("joy", item.label), unsure=False) for item in PREDICTIONS]
    analysis = replace(ANALYSIS, predictions=tuple(items), set_level=0.9)
    write_results(analysis, tmp_path / "results", stem=STEM)
    stored = tmp_path / "results" / STEM
    assert "set@Jonas" in result(stored, ending).read_text(encoding="utf-8")
    path = edited(stored, ending, "sadness", "fear")
    assert changes(correct(stored, [path])) == [("3", "label", "sadness", "fear", "ann")]


def test_added_line_is_refused_and_missing_line_is_noted(stored):
    pympi = Eaf(str(result(stored, "eaf")))
    pympi.add_annotation("words@Jonas", 113000, 114000, "More.")
    pympi.add_ref_annotation("emotion@Jonas", "words@Jonas", 113500, "joy")
    pympi.to_file(str(stored.parents[1] / "more.eaf"))
    with pytest.raises(InputError, match=r"113.000 to 114.000 s of 'Jonas'.*matches no utterance"):
        correct(stored, [stored.parents[1] / "more.eaf"])
    lines = result(stored, "csv").read_text().splitlines(keepends=True)
    (stored.parents[1] / "less.csv").write_text("".join(lines[:-2]))
    correction = correct(stored, [stored.parents[1] / "less.csv"])
    assert correction.changes == ()
    assert correction.remarks == ("less.csv lacks 2 utterances, which stay unchanged.",)


def test_overlapping_and_untimed_utterances_are_unchanged(tmp_path):
    first, second, *rest = PREDICTIONS
    predictions = (
        first, replace(second, speaker=first.speaker, start=3.0, end=6.0, text="  "),
        replace(rest[0], speaker="", text="a\r\nb <c> \x07"),
        replace(rest[1], start=None, end=None),
    )  # fmt: skip
    write_results(replace(ANALYSIS, predictions=predictions), tmp_path, stem="x")
    for ending in FORMATS:
        correction = correct(tmp_path / "x", [tmp_path / f"x.{ending}"])
        assert correction.changes == (), ending
        assert correction.remarks == () or "lacks 1 utterances" in correction.remarks[0]


def test_other_files_are_refused(tmp_path, stored):
    for name, content in (("a.jsonl", '{"id": 1}\n'), ("b.jsonl", ""), ("c.csv", "id\n1\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="not the predictions of an analysis"):
            load_analysis(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        load_analysis(tmp_path / "none")
    line, *rest = result(stored, "jsonl").read_text().splitlines(keepends=True)
    twice = line.replace('"label":', '"label": "joy", "label":', 1)
    (tmp_path / "twice.jsonl").write_text("".join([*rest, twice]))
    with pytest.raises(InputError, match=r"line 25: the key 'label' occurs twice"):
        load_analysis(tmp_path / "twice.jsonl")
    write_results(replace(ANALYSIS, predictions=PREDICTIONS[:3]), tmp_path / "y", stem="y")
    result(stored, "html").write_bytes((tmp_path / "y" / "y.html").read_bytes())
    with pytest.raises(InputError, match="has 3 utterances, but the table next to it has 25"):
        load_analysis(stored)
