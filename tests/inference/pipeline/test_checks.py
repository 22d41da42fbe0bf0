"""Remarks on an analysis as a whole."""

import pytest

from mmerc.conversation import Utterance
from mmerc.inference.levelling import FAR
from mmerc.inference.pipeline.checks import analysis_remarks, is_foreign
from mmerc.media.subtitles import read_subtitles
from mmerc.models.registry import load_model
from mmerc.models.set_scores import ModalityScores, ScoreGrid, SetScores
from mmerc.prediction.set_request import SetRequest
from short_films import EXAMPLES

FOREIGN = {
    "German": "Ich weiß nicht, was du von mir willst, aber ich bleibe nicht die ganze Nacht hier. "
    "Bitte gib mir die Schlüssel und sag deiner Mutter, dass das Essen auf dem Tisch steht.",
    "French": "Je ne sais pas ce que tu veux de moi, mais je ne vais pas rester ici toute la nuit. "
    "Donne-moi les clés s'il te plaît et dis à ta mère que le dîner est servi.",
    "Spanish": "No sé qué quieres de mí, pero no voy a quedarme aquí toda la noche. Por favor, "
    "dame las llaves y dile a tu madre que la cena está en la mesa.",
    "Dutch": "Ik weet niet wat je van me wilt, maar ik blijf hier niet de hele nacht. Geef me "
    "alsjeblieft de sleutels en zeg tegen je moeder dat het eten op tafel staat.",
    "Finnish": "En tiedä, mitä haluat minusta, mutta en aio jäädä tänne koko yöksi. Ole hyvä ja "
    "anna minulle avaimet ja kerro äidillesi, että ruoka on pöydässä, ja sano hänelle hyvää yötä.",
    "Russian": "Я не знаю, чего ты от меня хочешь, но я не останусь здесь на всю ночь.",
    "Chinese": "我不知道你想要我做什么，但是我不会整夜待在这里。请把钥匙给我，晚饭在桌子上。",
    "Hindi": "मुझे नहीं पता कि तुम मुझसे क्या चाहते हो लेकिन मैं पूरी रात यहाँ नहीं रहूँगा",
    "Amharic": "ከእኔ ምን እንደምትፈልግ አላውቅም ነገር ግን ሌሊቱን ሙሉ እዚህ አልቆይም",
}
ENGLISH = (
    "I don't know what you want from me, Siobhan, but I'm not staying here all night! Gimme the "
    "keys, and tell your mother that dinner's on the table. Café Zoë? Nah, c'mon, that's miles off."
)


def make_utterances(*texts):
    return [Utterance(id=str(i), speaker="a", text=text) for i, text in enumerate(texts)]


@pytest.fixture(scope="module")
def model(models):
    return load_model(models / "read")


@pytest.mark.parametrize("language", FOREIGN)
def test_other_language_gives_a_remark(model, language):
    assert is_foreign(model, make_utterances(*FOREIGN[language].split(". ")))


@pytest.mark.parametrize("language", ["German", "French", "Spanish", "Dutch", "Finnish"])
def test_other_language_in_a_long_text(model, language):
    """More tokens than an encoder's row holds."""
    assert is_foreign(model, make_utterances(*[FOREIGN[language]] * 40))
    assert not is_foreign(model, make_utterances(*[ENGLISH] * 40))


@pytest.mark.parametrize("text", [ENGLISH, "", "?!", "Ja. Nein.", "Ναι"])
def test_english_or_too_little_text_gives_no_remark(model, text):
    assert not is_foreign(model, make_utterances(text))


@pytest.mark.parametrize("name", ["phone-call", "photograph"])
def test_example_videos_are_english(model, name):
    assert not is_foreign(model, read_subtitles(EXAMPLES / f"{name}.srt").utterances)


def test_text_vectors_give_no_language_remark(make_model):
    assert not is_foreign(make_model("concatenation"), make_utterances(FOREIGN["Russian"]))


@pytest.mark.parametrize(("distance", "message"), [(0.0, 0), (FAR, 0), (FAR + 0.06, 1), (4.0, 1)])
def test_audio_far_from_the_training_data(model, distance, message):
    actual = analysis_remarks(model, make_utterances("yes", "no"), {}, distance=distance)
    assert len(actual) == message
    assert all(f"{distance:.1f} standard deviations" in line for line in actual)


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ({}, ()),
        ({"0": {"video": "no face"}, "1": {"video": "no face"}}, ()),
        (
            {"0": {"video": "no face"}, "1": {"video": "past the end"}, "2": {"video": "no face"}},
            ("3 of 4 utterances have no video (mostly: no face).",),
        ),
        (
            {str(i): {"video": "The package x is not installed.", "text": "no words"}
             for i in range(4)},
            ("No utterance has video: The package x is not installed.",
             "No utterance has text: no words."),
        ),
    ],
)  # fmt: skip
def test_modality_missing_from_most_utterances(model, absent, expected):
    assert (
        analysis_remarks(model, make_utterances("a", "b", "c", "d"), absent, distance=0.0)
        == expected
    )


def test_remark_states_the_guarantee_of_prediction_sets(make_model):
    model, sets = make_model("df-erc"), SetRequest(level=0.9)
    grid = ScoreGrid(count=1, grid=(0.5,))
    stored = ModalityScores(method="lac", every=grid, by_label=(grid,) * 4)
    model.set_scores = SetScores(source="9 films", by_modalities={"text": stored})
    near, far = (
        analysis_remarks(model, make_utterances("Yes."), {}, distance=distance, sets=sets)[-1]
        for distance in (0.0, FAR + 1)
    )
    assert near.startswith("Prediction sets (90%) are calibrated on 9 films: other recordings may")
    assert "probably contain the label less often" in far and "`mmerc adapt`" in far
    assert analysis_remarks(model, make_utterances("Yes."), {}, distance=0.0) == ()
