from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmerc.corpora.composed import _read_composed, _split_media
from mmerc.corpora.meld import PUBLISHED
from mmerc.errors import InputError

HEADER = "dialogue_id,utterance_id,speaker,emotion,text,audio,faces\n"
ROWS = (
    '4,0,Ann,surprise,"Really, now?",clip-1.flac,a_1;b_2;c_3\n'
    "4,1,Bob,fear,Look behind you,clip-2.flac,\n"
    "5,0,Ann,disgust,No,,d_4\n"
)


def write_composed(folder: Path, test: str = HEADER + ROWS) -> Path:
    (folder / "meld-composed").mkdir()
    for name, content in (("train", HEADER + ROWS), ("dev", HEADER + ROWS), ("test", test)):
        (folder / "meld-composed" / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


def test_sources_are_kept_for_extraction(tmp_path, round_trip):
    raw = _read_composed(write_composed(tmp_path))
    loaded = round_trip(raw)
    assert loaded.label_source == "meld"
    first, second = loaded.splits["valid"]
    assert (first.id, first.utterances[0].text) == ("dev_dia4", "Really, now?")
    media = [utterance.media for item in (first, second) for utterance in item.utterances]
    assert [_split_media(item) for item in media] == [
        ("ravdess/clip-1.flac", ("a_1", "b_2", "c_3")),
        ("ravdess/clip-2.flac", ()),
        (None, ("d_4",)),
    ]
    assert "not MELD's" in raw.remarks[0]


def test_voices_and_faces_keep_their_own_labels(tmp_path, round_trip):
    rows = (
        "4,0,Ann,surprise,Really,03-01-05-01-02-01-10.flac,a_1;b_2;c_3\n"
        "4,1,Bob,fear,Look,03-01-02-01-01-01-01.flac,a_1;d_4\n"
        "5,0,Ann,joy,No,,d_4\n"
    )
    folder = write_composed(tmp_path, HEADER + rows)
    (folder / "fer2013").mkdir()
    faces = {"name": ["a_1", "b_2", "c_3", "d_4"], "label": ["happy"] * 3 + ["angry"]}
    pq.write_table(pa.table(faces), folder / "fer2013/fer2013.parquet")
    loaded = round_trip(_read_composed(folder))
    labels = [u.modality_labels for item in loaded.splits["test"] for u in item.utterances]
    assert labels == [{"audio": "anger", "video": "joy"}, {"audio": "neutral"}, {"video": "anger"}]
    assert not any(u.without_labels().utterances[0].modality_labels for u in loaded.splits["test"])


def test_table_errors_are_reported(tmp_path):
    folder = write_composed(tmp_path, HEADER + ROWS.replace("fear", "dread"))
    with pytest.raises(InputError, match=r"test\.csv, line 3, .*unknown label 'dread'"):
        _read_composed(folder)


def test_real_counts_equal_meld(shared_data):
    raw = _read_composed(shared_data)
    counts = {
        split: (sum(len(item) for item in conversations), len(conversations))
        for split, conversations in raw.splits.items()
    }
    assert counts == PUBLISHED
    sound, faces = _split_media(raw.splits["train"][0].utterances[0].media)
    assert (shared_data / sound).is_file()
    assert len(faces) == 3
