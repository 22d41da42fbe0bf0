"""An invented conversation of three people, analysed."""

import itertools
from dataclasses import replace

import numpy as np

from mmerc.inference.analysis import Analysis
from mmerc.inference.page.data import _luminance
from mmerc.labels import MELD_7
from mmerc.prediction.utterance_prediction import UtterancePrediction

TALK = [  # start, end, speaker, label, text
    (2.0, 5.1, "Marta", "joy", "There you are! I have kept you the seat by the window."),
    (5.4, 7.0, "Jonas", "neutral", "Thanks. Is that the menu?"),
    (7.2, 10.4, "Marta", "neutral", "It is, but the soup is gone already, they told me."),
    (10.6, 12.0, "Jonas", "sadness", "Oh no. Not the soup."),
    (12.1, 16.8, "Ines", "joy", "Good evening, you two! Guess who found a parking place at once."),
    (17.0, 18.9, "Marta", "surprise", "In this street? On a Friday?"),
    (19.1, 23.5, "Ines", "joy", "At the door. I took a picture, or nobody believes it."),
    (24.0, 27.2, "Jonas", "disgust", "What is that on your sleeve? Is it paint?"),
    (26.0, 29.8, "Ines", "neutral", "Varnish. We are doing the floor, do not touch it."),
    (30.4, 34.6, "Marta", "surprise", "You do the floor yourselves, with the cat in the house?"),
    (35.0, 41.7, "Ines", "sadness", "The cat is at my mother's, and she will not give him back."),
    (42.1, 43.0, "Jonas", "joy", "Of course not!"),
    (44.2, 49.5, "Marta", "neutral", "Before we order: who has read the letter of the landlord?"),
    (50.0, 52.2, "Jonas", "fear", "Which letter? Not the rent again?"),
    (52.5, 60.8, "Marta", "anger", "They close the yard for two months, and nobody asked a soul."),
    (61.0, 64.9, "Ines", "anger", "Two months! Where are the children supposed to play?"),
    (65.4, 69.0, "Jonas", "neutral", "Maybe there is a reason. The pipes are from the fifties."),
    (69.2, 73.9, "Marta", "anger", "Then let them say so. A letter with three lines is no reason."),
    (74.6, 80.0, "Ines", "neutral", "We could write back, all of us together, and ask for a date."),
    (80.3, 83.1, "Jonas", "neutral", "I can write it on Sunday, if you read it over."),
    (83.5, 85.2, "Marta", "joy", "Deal. You are a treasure."),
    (88.0, 92.4, "Ines", "fear", "Is it me, or does it smell of something burning in here?"),
    (92.6, 97.3, "Jonas", "surprise", "It does. Oh, that is our bread, look, the whole basket!"),
    (98.0, 103.6, "Marta", "joy", "Well, then we have toast. Nobody leaves this table hungry."),
    (106.0, 112.5, "Ines", "joy", "To toast, to the yard, and to the best parking place in town."),
]  # fmt: skip
ABSENT = {"4": {"video": "no face found"}, "9": {"audio": "two voices at once"}}
SCENE = "by the window #1.mp4"


def prediction(number, start, end, speaker, label, text):
    numbers = np.random.default_rng(number)
    probabilities = numbers.dirichlet(np.full(len(MELD_7), 0.6)) * 0.55
    probabilities[MELD_7.index(label)] += 0.45
    absent = ABSENT.get(str(number), {})
    weights = {m: round(float(numbers.uniform(0.2, 0.9)), 6) for m in ("text", "audio", "video")}
    return UtterancePrediction(
        conversation="c",
        id=str(number),
        speaker=speaker,
        text=text,
        start=start,
        end=end,
        label=label,
        probabilities=dict(zip(MELD_7, probabilities.round(6).tolist(), strict=True)),
        weights={m: None if m in absent else weight for m, weight in weights.items()},
        similarity=0.62,
        context_weight=0.38,
        effects={
            m: None if m in absent else round(weight - 0.3, 6) for m, weight in weights.items()
        },
        context_effect=-0.04,
    )


PREDICTIONS = tuple(itertools.starmap(prediction, ((i, *line) for i, line in enumerate(TALK))))
ANALYSIS = Analysis(
    recording=SCENE,
    duration=118.0,
    model="df-erc",
    labels=MELD_7,
    predictions=PREDICTIONS,
    absent=ABSENT,
    remarks=("The sound is quieter than any recording that the model was trained on.",),
)
EVIL = (
    "</script><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    " \u202e\"&'`${1} $policy 😊"
)


def with_times(*times):
    """The first utterances, at other times."""
    changed = [
        replace(item, start=start, end=end)
        for item, (start, end) in zip(PREDICTIONS, times, strict=False)
    ]
    return replace(ANALYSIS, predictions=tuple(changed))


def contrast(one, other):
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
