"""Probabilities of correct and wrong words by tiny.en, on the example films.

    python benchmarks/doubtful_words.py

Words are aligned with the subtitles; a word without a partner is wrong.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from pathlib import Path

from mmerc.media.subtitles import read_subtitles
from mmerc.media.transcription import Transcriber
from mmerc.media.voice_activity import find_speech

FILMS = Path(__file__).parents[1] / "examples"
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def normalise(text: str) -> str:
    """Remove case and punctuation from a word."""
    return re.sub(r"[^a-z0-9']", "", text.lower())


def main() -> None:
    """Print the number of correct and wrong words below each threshold."""
    transcriber = Transcriber()
    right: list[float] = []
    wrong: list[float] = []
    for film in (FILMS / "phone-call.mp4", FILMS / "photograph.mp4"):
        cues = read_subtitles(film.with_suffix(".srt")).utterances
        true = [normalise(word) for cue in cues for word in cue.text.split()]
        spans = find_speech(film)
        words = [w for item in transcriber.transcribe(film, spans) for w in item.words]
        matcher = SequenceMatcher(None, true, [normalise(w.text) for w in words], autojunk=False)
        blocks = matcher.get_matching_blocks()
        matched = {block.b + n for block in blocks for n in range(block.size)}
        for position, word in enumerate(words):
            (right if position in matched else wrong).append(word.probability)
    print(f"{len(right)} correct words, {len(wrong)} wrong ones")
    for threshold in THRESHOLDS:
        counts = [sum(p < threshold for p in words) for words in (right, wrong)]
        print(f"below {threshold}: {counts[0]} correct, {counts[1]} wrong")


if __name__ == "__main__":
    main()
