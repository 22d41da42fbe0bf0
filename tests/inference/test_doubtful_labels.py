"""Which labels are marked as doubtful."""

from mmerc.inference.analysis import Marks, mark_labels
from mmerc.prediction.utterance_prediction import UtterancePrediction


def make_prediction(name, text):
    """A prediction for an utterance with these words."""
    return UtterancePrediction(
        conversation="c", id=name, speaker="Ada", text=text, start=0.0, end=1.0, label="glad",
        probabilities={"calm": 0.2, "glad": 0.8}, weights={}, similarity=None,
        context_weight=None, effects={"text": None, "audio": 0.1}, context_effect=None,
    )  # fmt: skip


def test_labels_without_reliable_words_are_doubtful_for_text_models():
    spoken = (
        make_prediction("Ada-1", ""),
        make_prediction("Ada-3", "we are"),
        make_prediction("Ada-5", "we are"),
    )
    marks = {"Ada-3": Marks(doubtful=((3, 6),)), "Ada-5": Marks(doubtful=((0, 2),), overlap=0.5)}
    absent = {"Ada-1": {"text": "no words"}}
    assert mark_labels(spoken, absent, marks, reads_words=False) == marks
    marked = mark_labels(spoken, absent, marks, reads_words=True)
    assert {key: value.label for key, value in marked.items()} == {
        "Ada-1": "no words", "Ada-3": "doubtful words", "Ada-5": None,
    }  # fmt: skip
    assert marked["Ada-5"] == marks["Ada-5"]
