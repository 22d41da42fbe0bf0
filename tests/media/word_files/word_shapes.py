"""The words of one talk in the formats of several programs, reduced to the fields read."""

import json

SENTENCES = (  # words with start and end, by speaker
    ("SPEAKER_00", (("Hello", 0.1, 0.5), ("everyone.", 0.6, 1.2))),
    ("SPEAKER_01", (("I", 2.0, 2.1), ("am", 2.1, 2.3), ("well-known.", 2.3, 3.1))),
)


def whisperx(*, untimed=(), speakers=True):
    """WhisperX 3: words without spaces, ``score``, and no times for what cannot be aligned."""
    segments = []
    for speaker, words in SENTENCES:
        name = {"speaker": speaker} if speakers else {}
        items = [
            {"word": text} | name
            if text in untimed
            else {"word": text, "start": start, "end": end, "score": 0.9} | name
            for text, start, end in words
        ]
        segments.append(
            {
                "start": words[0][1],
                "end": words[-1][2],
                "text": " " + " ".join(text for text, _, _ in words),
                "words": items,
            }
            | name
        )
    words = [word for segment in segments for word in segment["words"]]
    return {"segments": segments, "word_segments": words, "language": "en"}


def openai(*, words=True):
    """openai-whisper: words start with a space, and "-known" continues the previous one."""
    pieces = [
        [(" Hello", 0.1, 0.5), (" everyone.", 0.6, 1.2)],
        [(" I", 2.0, 2.1), (" am", 2.1, 2.3), (" well", 2.3, 2.6), ("-known.", 2.6, 3.1)],
    ]
    segments = []
    for number, items in enumerate(pieces):
        segment = {
            "id": number, "seek": 0, "start": items[0][1], "end": items[-1][2],
            "text": "".join(text for text, _, _ in items), "tokens": [50364], "temperature": 0.0,
            "avg_logprob": -0.2, "compression_ratio": 1.1, "no_speech_prob": 0.01,
        }  # fmt: skip
        if words:
            segment["words"] = [
                {"word": text, "start": start, "end": end, "probability": 0.9}
                for text, start, end in items
            ]
        segments.append(segment)
    return {"text": " Hello ...", "segments": segments, "language": "en"}


def _stamps(start, end):
    return {
        "timestamps": {"from": f"00:00:{start:06.3f}".replace(".", ","), "to": ""},
        "offsets": {"from": round(1000 * start), "to": round(1000 * end)},
    }


def whisper_cpp(*, full=True, speaker=None):
    """whisper.cpp: ``-oj``, and with tokens ``-ojf``; offsets in milliseconds."""
    tokens = [
        [("[_BEG_]", 0, 0), (" Hello", 0.1, 0.5), (" every", 0.6, 0.9), ("one", 0.9, 1.1),
         (".", 1.1, 1.2), ("[_TT_60]", 1.2, 1.2)],
        [(" I", 2.0, 2.1), (" am", 2.1, 2.3), (" well", 2.3, 2.6), ("-", 2.6, 2.6),
         ("known", 2.6, 3.0), (".", 3.0, 3.1)],
    ]  # fmt: skip
    transcription = []
    for (start, end), items in zip(((0.1, 1.2), (2.0, 3.1)), tokens, strict=True):
        text = "".join(t for t, _, _ in items if not t.startswith("[_"))
        segment = _stamps(start, end) | {"text": text}
        if speaker is not None:
            segment["speaker"] = speaker
        if full:
            segment["tokens"] = [
                {"text": t, "id": 1, "p": 0.9, "t_dtw": -1} | _stamps(a, b) for t, a, b in items
            ]
        transcription.append(segment)
    return {
        "systeminfo": "AVX = 1", "model": {"type": "tiny"}, "params": {"language": "en"},
        "result": {"language": "en"}, "transcription": transcription,
    }  # fmt: skip


def ctm(*, speakers=True):
    """CTM with confidence, type and speaker."""
    lines = [";; a comment"]
    for speaker, words in SENTENCES:
        for text, start, end in words:
            tail = f" lex {speaker}" if speakers else ""
            lines.append(f"talk 1 {start:.2f} {end - start:.2f} {text} 0.90{tail}")
    return "\n".join(lines) + "\n"


def write(path, content):
    """A shape written to a file."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path
