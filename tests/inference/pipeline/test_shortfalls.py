"""What could not be computed, as opposed to what a recording lacks."""

from mmerc.features.speaker_faces import NO_FACE
from mmerc.inference.pipeline.shortfalls import CONTRADICTS, list_shortfalls

CRASH = "the file crashed the decoder or the extractor"


def test_missing_modality_is_not_a_shortfall():
    absent = {"1": {"video": NO_FACE, "audio": "silence"}, "2": {"audio": CONTRADICTS}}
    assert list_shortfalls(absent, ["The transcriber recognised English."], utterances=2) == ()


def test_each_failed_part_is_named_with_its_most_frequent_reason():
    absent = {
        "1": {"video": CRASH, "text": "the words are German, which the model does not read"},
        "2": {"video": NO_FACE, "text": "the words are German, which the model does not read"},
    }
    unchecked = "Could not check whether the subtitles match the speech: empty file."
    assert list_shortfalls(absent, [unchecked], utterances=2) == (
        f"Faces could not be used for 1 of 2 utterances: {CRASH}.",
        "Words could not be used for all utterances: the words are German, which the model does "
        "not read.",
        unchecked,
    )
