"""ELAN and Praat files written by other libraries, and damaged ones."""

import pytest
from annotated_files import FIRST, LINES, write_eaf, write_textgrid
from pympi import Eaf

from mmerc.annotation.elan_reader import read_eaf
from mmerc.annotation.rated_lines import read_rated_lines
from mmerc.annotation.textgrid_reader import read_textgrid
from mmerc.errors import InputError


def labels(lines):
    return [(line.start, line.end, line.speaker, line.label) for line in lines]


EXPECTED = sorted(
    (start / 1000, end / 1000, speaker, label)
    for (start, end, speaker, _), label in zip(LINES, FIRST, strict=True)
)


@pytest.mark.parametrize("words", [True, False])
def test_reads_eaf_written_by_pympi(tmp_path, words):
    file = read_eaf(write_eaf(tmp_path / "a.eaf", FIRST, words=words))
    assert file.media == ("talk.mp4",)
    tier = next(tier for tier in file.tiers if tier.name == "words@Ann")
    assert [item.text for item in tier.intervals] == [LINES[0][3], LINES[2][3]]
    (lines,) = read_rated_lines(tmp_path / "a.eaf").values()
    assert sorted(labels(lines)) == EXPECTED
    assert {line.conversation for line in lines} == {"talk"}


@pytest.mark.parametrize("form", ["short_textgrid", "long_textgrid"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_reads_textgrid_written_by_praatio(tmp_path, form, encoding):
    path = write_textgrid(tmp_path / "a.TextGrid", FIRST, form=form)
    path.write_bytes(path.read_text("utf-8").encode(encoding))
    words = next(tier for tier in read_textgrid(path).tiers if tier.name == "words@Ann")
    assert [item.text for item in words.intervals] == [LINES[0][3], LINES[2][3]]
    (lines,) = read_rated_lines(path).values()
    assert sorted(labels(lines)) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_unmarked_utf16_is_refused(tmp_path, encoding):
    files = [
        write_textgrid(tmp_path / "a.TextGrid", FIRST, form="long_textgrid"),
        write_eaf(tmp_path / "a.eaf", FIRST),
        tmp_path / "a.csv",
    ]
    files[-1].write_text("id,label\n1,joy\n")
    for path in files:
        path.write_bytes(path.read_text("utf-8").encode(encoding))
        with pytest.raises(InputError, match=r"UTF-16 text .* without a byte-order mark"):
            read_rated_lines(path)


def test_textgrid_points_and_numbers_in_text(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2\n'
        'tiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n        class = "TextTier"\n'
        '        name = "emotion"\n        xmin = 0\n        xmax = 2\n        points: size = 1\n'
        '        points [1]:\n            number = 1.5\n            mark = "joy 3 ""x"" <exists>"\n'
    )
    (lines,) = read_rated_lines(path).values()
    assert labels(lines) == [(1.5, 1.5, "", 'joy 3 "x" <exists>')]


def test_untimed_slots_are_spread_evenly(tmp_path):
    path = tmp_path / "a.eaf"
    path.write_text(
        "<ANNOTATION_DOCUMENT><HEADER/><TIME_ORDER>"
        '<TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="b"/>'
        '<TIME_SLOT TIME_SLOT_ID="c"/><TIME_SLOT TIME_SLOT_ID="d" TIME_VALUE="4000"/></TIME_ORDER>'
        '<TIER TIER_ID="emotion" LINGUISTIC_TYPE_REF="default"><ANNOTATION><ALIGNABLE_ANNOTATION '
        'ANNOTATION_ID="x" TIME_SLOT_REF1="b" TIME_SLOT_REF2="c"><ANNOTATION_VALUE>joy'
        "</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"
    )
    (lines,) = read_rated_lines(path).values()
    assert labels(lines) == [(2.0, 3.0, "", "joy")]


def test_child_annotations_share_the_time_of_their_parent(tmp_path):
    """Symbolic subdivision: ELAN orders parts by their predecessor, not by file order."""
    eaf = Eaf()
    eaf.remove_tier("default")
    eaf.add_controlled_vocabulary("emotions")
    eaf.add_linguistic_type("words")
    eaf.add_linguistic_type("parts", constraints="Symbolic_Subdivision", timealignable=False)
    eaf.add_tier("words@Ann", ling="words", part="Ann")
    eaf.add_tier("Emotion@Ann", ling="parts", parent="words@Ann", part="Ann")
    eaf.add_annotation("words@Ann", 1000, 2000, "Oh. No.")
    for label in ("anger", "joy"):
        eaf.add_ref_annotation("Emotion@Ann", "words@Ann", 1500, label)
    anger, joy = eaf.tiers["Emotion@Ann"][1].items()
    eaf.tiers["Emotion@Ann"][1][anger[0]] = (*anger[1][:2], joy[0], anger[1][3])
    eaf.to_file(str(tmp_path / "a.eaf"))
    (lines,) = read_rated_lines(tmp_path / "a.eaf").values()
    assert labels(lines) == [(1.0, 1.5, "Ann", "joy"), (1.5, 2.0, "Ann", "anger")]


EXCEL = 'Conversation;ID;start;end;Label;note\nx;1;0,5;1,25;joy;\nx;2;2;3;anger;"a\n;b"\n;;;;;\n'


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (EXCEL, "utf-8-sig"),
        (EXCEL.replace("\n", "\r\n"), "utf-8"),
        (EXCEL.replace(";", "\t"), "utf-16"),  # "Unicode text"
        (f"sep=;\r\n{EXCEL}", "utf-8"),
    ],
)
def test_reads_tables_saved_by_spreadsheets(tmp_path, text, encoding):
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    (lines,) = read_rated_lines(tmp_path / "a.csv").values()
    assert [(x.conversation, x.id, x.start, x.end, x.label) for x in lines] == [
        ("x", "1", 0.5, 1.25, "joy"), ("x", "2", 2.0, 3.0, "anger"),
    ]  # fmt: skip


def test_trailing_empty_columns_and_other_letter_case(tmp_path):
    (tmp_path / "a.csv").write_text("Conversation,ID,Label,,\nx,1,joy,,\n")
    for raters in ((), ("Label",), ("label",)):
        (lines,) = read_rated_lines(tmp_path / "a.csv", raters).values()
        assert [(x.conversation, x.id, x.label) for x in lines] == [("x", "1", "joy")]
    with pytest.raises(InputError, match="no column 'Ben'"):
        read_rated_lines(tmp_path / "a.csv", ["Label", "Ben"])


def test_line_numbers_match_a_text_editor(tmp_path):
    (tmp_path / "a.csv").write_text("sep=;\nid;start;end;label\n1;0;1;joy\n2;x;1;joy\n")
    with pytest.raises(InputError, match="line 4: 'x' is not a time"):
        read_rated_lines(tmp_path / "a.csv")


def test_praat_file_that_starts_before_zero(tmp_path):
    text = '-0\n2\n<exists>\n1\n"IntervalTier"\n"EMOTION"\n-0\n2\n1\n-0\n1.5\n"joy\n(sure)"\n'
    path = tmp_path / "a.TextGrid"
    path.write_text(f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n{text}')
    (lines,) = read_rated_lines(path).values()
    assert labels(lines) == [(0.0, 1.5, "", "joy\n(sure)")]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.TextGrid", '{"start": 0.0}', "a TextGrid in JSON"),
        ("a.csv", 'id,start,end,label\n1,"0,5",1,joy\n', "'0,5' is not a time in seconds"),
        ("a.eaf", "<!DOCTYPE x [<!ENTITY e 'x'>]><ANNOTATION_DOCUMENT/>", "document type"),
        ("a.eaf", "<ANNOTATION_DOCUMENT>", "not an EAF (line 1"),
        ("a.eaf", "<html/>", "its root is <html>"),
        ("a.eaf", "<ANNOTATION_DOCUMENT/>", "no tier 'emotion'"),
        (
            "a.TextGrid",
            'File type = "ooTextFile"\n"TextGrid"\n0\n1\n<exists>\n1\n',
            "ends too early",
        ),
        ("a.TextGrid", "Hello", "a damaged TextGrid"),
        ("a.TextGrid", "ooBinaryFile\x08TextGrid", "a binary TextGrid"),
        ("a.csv", "id,label\n1,\n2,\n", "an empty annotation"),
        ("a.csv", "", "an empty annotation"),
        ("a.csv", "id,mood\n1,joy\n", "no column 'label'"),
        ("a.csv", "id,label\n1\n", "line 2: it has more or fewer cells"),
        ("a.csv", "speaker,label\nAnn,joy\n", "neither an id nor times"),
        ("a.csv", "start,end,label\n1,x,joy\n", "'x' is not a time in seconds"),
        ("a.jsonl", '{"id": "1", "label": "joy"}\n[1]\n', "line 2: not an object"),
        ("a.jsonl", '{"id"\n', "line 1: not JSON"),
        (
            "a.jsonl",
            '{"id": 1, "label": "a", "label": "b"}',
            "line 1: the key 'label' occurs twice",
        ),
        ("a.docx", "x", "not a supported kind of file for labels"),
    ],
)
def test_unreadable_files_give_one_sentence_errors(tmp_path, name, content, problem):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_rated_lines(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_billion_laughs_are_refused_before_they_expand(tmp_path):
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 30))
    path = tmp_path / "a.eaf"
    path.write_text(
        f'<!DOCTYPE d [<!ENTITY l0 "ha">{entities}]><ANNOTATION_DOCUMENT>&l29;'
        "</ANNOTATION_DOCUMENT>"
    )
    with pytest.raises(InputError, match="document type declaration"):
        read_eaf(path)


HEAD = "conversation,id,label\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "conversation,id,label,label\nx,1,joy,anger\n", "two columns are named 'label'"),
        ("a.csv", HEAD + 'x,1,"joy\nx,2,joy\n', "an unclosed quotation mark"),
        ("a.csv", HEAD + 'x,"1,joy\nx,"2,joy\n', "an unclosed quotation mark"),
        ("a.jsonl", "[" * 99_999, "line 1: JSON with a number that is too long or lists nested"),
        ("a.jsonl", '{"id": 1, "label": ["joy"]}', "line 1: ['joy'] is not a label"),
        ("a.jsonl", '{"id": 1, "label": NaN}', "line 1: nan is not a label"),
        ("a.jsonl", '{"id": "c", "utterances": [1]}', "line 1: an utterance that is not an object"),
        ("a.jsonl", "{}", "it has no columns"),
    ],
)
def test_ambiguous_table_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_rated_lines(tmp_path / name)
    assert message in str(caught.value)
