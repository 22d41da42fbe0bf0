"""The clips of MELD, laid out as in its archive."""

import pytest

from mmerc.corpora.meld import read_meld

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
)
ROW = '{n},Well then,Ann,joy,positive,{dialogue},{n},1,2,"00:00:01,500","00:00:02,250"\n'
FOLDERS = {
    "train": "train/train_splits",
    "dev": "dev/dev_splits_complete",
    "test": "test/output_repeated_splits_test",
}
SPLITS = {"train": "train", "dev": "valid", "test": "test"}


@pytest.fixture
def archive(tmp_path):
    """A function that writes annotations (two utterances per split) and clips."""

    def lay_out(*, clips=(0, 1), folders=FOLDERS, dialogue=0):
        for name, folder in folders.items():
            rows = "".join(ROW.format(n=n, dialogue=dialogue) for n in range(2))
            (tmp_path / f"{name}_sent_emo.csv").write_text(HEADER + rows)
            (tmp_path / folder).mkdir(parents=True)
            for clip in clips:
                (tmp_path / folder / f"dia{dialogue}_utt{clip}.mp4").touch()
        return tmp_path

    return lay_out


def media_of(raw):
    return {
        name: [utterance.media for utterance in raw.splits[split][0].utterances]
        for name, split in SPLITS.items()
    }


@pytest.mark.parametrize("unpacked", [False, True])
def test_clips_are_found_in_their_folders(archive, round_trip, unpacked):
    folders = {name: path.split("/")[unpacked:] for name, path in FOLDERS.items()}
    folders = {name: "/".join(parts) for name, parts in folders.items()}
    raw = read_meld(archive(folders=folders))
    expected = {
        name: [f"{folder}/dia0_utt{n}.mp4" for n in range(2)] for name, folder in folders.items()
    }
    assert media_of(raw) == expected
    assert raw.remarks == ()
    round_trip(raw)


def test_missing_clips_are_reported_and_have_no_media(archive):
    folder = archive()
    (folder / "train/train_splits/dia0_utt1.mp4").unlink()
    (folder / "dev/dev_splits_complete/dia0_utt0.mp4").unlink()
    raw = read_meld(folder)
    assert media_of(raw)["train"][1] is None
    assert media_of(raw)["dev"] == [None, "dev/dev_splits_complete/dia0_utt1.mp4"]
    (note,) = raw.remarks
    assert "No clip for 2 of 6 utterances" in note
    assert "train_dia0 utt1, dev_dia0 utt0." in note


def test_other_files_of_the_archive_are_not_clips(archive):
    folder = archive(clips=(0,))
    for name in ("._dia0_utt1.mp4", "final_videos_testdia0_utt1.mp4", "dia0_utt1.mp4.part"):
        (folder / FOLDERS["test"] / name).touch()
    raw = read_meld(folder)
    assert media_of(raw)["test"] == [f"{FOLDERS['test']}/dia0_utt0.mp4", None]


def test_split_without_its_folder_is_reported(archive):
    folder = archive()
    for clip in (folder / FOLDERS["dev"]).iterdir():
        clip.unlink()
    raw = read_meld(folder)
    assert media_of(raw)["dev"] == [None, None]
    assert "No clip for 2 of 6" in raw.remarks[0]


def test_annotations_without_any_clip_name_the_published_ones(archive):
    raw = read_meld(archive(clips=()))
    assert media_of(raw)["train"] == [f"train_splits/dia0_utt{n}.mp4" for n in range(2)]
    assert raw.remarks == ()


def test_training_annotations_can_be_next_to_their_clips(archive):
    folder = archive()
    (folder / "train_sent_emo.csv").rename(folder / "train/train_sent_emo.csv")
    assert media_of(read_meld(folder))["train"][0] == "train/train_splits/dia0_utt0.mp4"


def test_long_list_is_shortened(tmp_path):
    rows = "".join(ROW.format(n=n, dialogue=125) for n in range(15))
    for name in FOLDERS:
        (tmp_path / f"{name}_sent_emo.csv").write_text(HEADER + rows)
    (tmp_path / "train_splits").mkdir()
    (tmp_path / "train_splits/dia125_utt0.mp4").touch()
    (note,) = read_meld(tmp_path).remarks
    assert "No clip for 44 of 45" in note
    assert note.count("_dia125") == 10
    assert note.endswith("and 34 more.")
