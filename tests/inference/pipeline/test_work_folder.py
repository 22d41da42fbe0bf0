"""The folder of an analysis: its owner, what is kept in it, and what it never touches."""

import json

import pytest

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
from mmerc.inference.pipeline.work_folder import WorkFolder, _lock_work, discard_work
from mmerc.media.sentences import Word
from mmerc.media.speaker_turns import Turn
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span
from short_films import small_disk

OF = {"recording": "abc", "language": None}
SPANS = (Span(0.1, 2.25), Span(3.0, 4.5))
TURNS = (Turn(speaker="SPEAKER_01", start=0.125, end=2.5),)


def transcript(number, text="Well, “yes” – no."):
    span = Span(number + 0.1, number + 0.7)
    words = (Word(text=text, start=number + 0.1, end=number + 0.5, probability=0.25),) * (
        number % 2
    )
    return Transcript(span=span, text=text, language=None, uncertain=number % 2 == 0, words=words)


def keep(work, *items):
    with work.keeping_transcripts() as kept:
        for item in items:
            kept(item)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "films" / ".talk.mp4.mmerc"


def test_stored_work_is_restored_unchanged(folder):
    items = [transcript(number) for number in range(3)]
    with WorkFolder.open(folder, of=OF) as work:
        assert work.spans() is None
        assert work.transcripts() == []
        assert work.turns() is None
        work.keep_spans(SPANS)
        work.keep_turns(TURNS)
        keep(work, *items[:2])
    with WorkFolder.open(folder, of=dict(OF)) as work:
        assert work.spans() == SPANS
        assert work.turns() == TURNS
        assert work.transcripts() == items[:2]
        keep(work, items[2])
        assert work.transcripts() == items


def test_no_speech_differs_from_not_analysed(folder):
    with WorkFolder.open(folder, of=OF) as work:
        work.keep_spans(())
        assert work.spans() == ()


@pytest.mark.parametrize("other", [OF | {"recording": "abd"}, OF | {"language": "en"}, {}])
def test_changed_recording_or_setting_discards_work(folder, other):
    with WorkFolder.open(folder, of=OF) as work:
        work.keep_spans(SPANS)
        keep(work, transcript(1))
        (work.vectors([]) / "audio").mkdir(parents=True)
    with WorkFolder.open(folder, of=other) as work:
        assert work.spans() is None
        assert work.transcripts() == []
        assert not any(folder.glob("vectors*"))
    with WorkFolder.open(folder, of=OF) as work:
        assert work.spans() is None


@pytest.mark.parametrize("rest", ['{"span": {"start"', "{}\n", "null\n", "\x00\x00\x00\n", "é"])
def test_truncated_line_is_ignored_and_rewritten(folder, rest):
    with WorkFolder.open(folder, of=OF) as work:
        keep(work, transcript(1), transcript(2))
        path = folder / "words.jsonl"
        path.write_bytes(path.read_bytes() + rest.encode("latin-1"))
        assert work.transcripts() == [transcript(1), transcript(2)]
        keep(work, transcript(3))
        assert work.transcripts() == [transcript(1), transcript(2), transcript(3)]
        assert all(json.loads(line) for line in path.read_text().splitlines())


def test_vectors_belong_to_utterances_at_their_times(folder):
    with WorkFolder.open(folder, of=OF) as work:
        one = Utterance(id="1", speaker="a", text="yes", start=1.0, end=2.0)
        renamed = Utterance(id="1", speaker="b", text="no", start=1.0, end=2.0)
        later = Utterance(id="1", speaker="a", text="yes", start=1.0, end=2.5)
        assert work.vectors([one]) == work.vectors([renamed])
        assert len({work.vectors([one]), work.vectors([later]), work.vectors([one, later])}) == 3


def test_one_analysis_at_a_time(folder):
    with WorkFolder.open(folder, of=OF) as work:
        work.keep_spans(SPANS)
        with (
            pytest.raises(InputError, match="another analysis is using it"),
            WorkFolder.open(folder, of={}),
        ):
            pass
        assert work.spans() == SPANS
        discard_work(folder)
        assert work.spans() == SPANS
    discard_work(folder)
    assert not folder.exists()
    with WorkFolder.open(folder, of=OF) as work:
        assert work.spans() is None


def test_deleted_lock_does_not_block(folder):
    with _lock_work(folder):
        (folder / ".lock").unlink()
        with _lock_work(folder):
            assert (folder / ".lock").exists()


def test_folder_with_other_files_is_not_touched(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("dear")
    with (
        pytest.raises(InputError, match=r"contains mine\.txt, which does not belong"),
        WorkFolder.open(tmp_path / "letters", of=OF),
    ):
        pass
    assert (tmp_path / "letters" / "mine.txt").read_text() == "dear"


def test_failure_keeps_only_expensive_work(folder):
    with pytest.raises(MmercError, match="quiet"), WorkFolder.open(folder, of=OF) as work:
        work.keep_spans(SPANS)
        raise MmercError("It is too quiet.")
    assert not folder.exists()
    with pytest.raises(MmercError, match="full"), WorkFolder.open(folder, of=OF) as work:
        work.keep_spans(SPANS)
        keep(work, transcript(1))
        raise MmercError("It is full.")
    with WorkFolder.open(folder, of=OF) as work:
        assert (work.spans(), work.transcripts()) == (SPANS, [transcript(1)])


def test_full_disk_keeps_complete_words(folder):
    long = [transcript(number, text="very " * 40) for number in range(4)]
    with (
        pytest.raises(InputError, match=r"words\.jsonl: cannot be written"),
        small_disk(1100),
        WorkFolder.open(folder, of=OF) as work,
    ):
        keep(work, *long)
    with WorkFolder.open(folder, of=OF) as work:
        assert work.transcripts() == long[:2]
        keep(work, *long[2:])
        assert work.transcripts() == long


def test_impossible_work_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(InputError, match="cannot be written"),
        WorkFolder.open(tmp_path / "file" / "work", of=OF),
    ):
        pass
