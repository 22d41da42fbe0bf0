"""IEMOCAP: acted dialogs of two people, in the folder released by its authors on request.

Published counts differ. The release rates 7,380 utterances as one of the six emotions; DQ-Former
uses these (Table 1), and so does this reader. The 7,433 utterances of DF-ERC (Table 5) and MultiEMO
come from a published feature file; the additional 53 are all labelled happy (648 instead of 595)
without such a rating.

An utterance's ``media`` contains its sound, the film of its dialog and the speaker's half of the
picture: ``SOUND#film=FILM&half=left``, see ``_parse_media``. The sound file contains only the
utterance; ``start`` and ``end`` are in seconds of the dialog's film.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from mmerc.conversation import Conversation, Split, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.corpora.iemocap_files import Dialog, Rated, read_session
from mmerc.corpora.media_locators import Locate, clip_inside
from mmerc.corpora.missing_files import missing_note
from mmerc.corpora.splits import Conversations, hold_out, hold_out_note, split_by_ratio
from mmerc.errors import InputError
from mmerc.labels import IEMOCAP_4, IEMOCAP_6
from mmerc.media.segment import Segment

_Classes = Literal["6", "4", "4-unmerged"]
_SplitRule = Literal["session", "ratio"]
_Splits = Mapping[Split, Conversations]
_SESSIONS = range(1, 6)
_TEST_SESSION = "Ses05"
_FOUR = {"hap": "happy", "sad": "sad", "neu": "neutral", "ang": "angry"}
_NAMES: Mapping[_Classes, Mapping[str, str]] = {
    "6": _FOUR | {"exc": "excited", "fru": "frustrated"},
    "4": _FOUR | {"exc": "happy"},
    "4-unmerged": _FOUR,
}
_PUBLISHED: Mapping[_SplitRule, Mapping[Split, tuple[int, int]]] = {
    "session": {"test": (1623, 31)},
    "ratio": {"train": (5929, 121), "valid": (600, 14), "test": (851, 16)},
}
_MEDIA = re.compile(r"([^#]*)(?:#film=([^#&]+)&half=(left|right))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _MediaSources:
    """Sound and film of an utterance as paths inside the release, and the speaker's half."""

    sound: str | None
    film: str | None
    half: Literal["left", "right"] | None


def _read_iemocap(
    directory: Path, *, classes: _Classes = "6", split: _SplitRule = "session", seed: int = 0
) -> RawCorpus:
    """Read ``IEMOCAP_full_release``: one conversation per dialog, utterances sorted by start.

    ``classes``: "6" (happy, sad, neutral, angry, excited, frustrated), "4" (excited merged into
    happy, as in speech research) or "4-unmerged" (only happy, as in DQ-Former). Utterances with
    other labels, or without a transcript, are excluded. ``split``: "session" (test is session 5,
    validation a seeded tenth of the other conversations, as in DF-ERC) or "ratio" (a seeded 8:1:1
    split of all dialogs, independent of ``classes``, as in DQ-Former). InputError if a file is
    missing or a line cannot be read.
    """
    names = _NAMES[classes]
    dialogs = [dialog for session in _SESSIONS for dialog in read_session(directory, session)]
    conversations = tuple(_select_conversations(directory, dialogs, names))
    divided = _divide(conversations, dialogs, split, seed=seed)
    six = classes == "6"
    return RawCorpus(
        name=_corpus_name(classes, split),
        labels=IEMOCAP_6 if six else IEMOCAP_4,
        labels_of="iemocap",
        splits=divided,
        published=_PUBLISHED[split] if six else {},
        remarks=(
            _split_note(divided, split, seed=seed),
            *(_count_note(divided) if six and split == "session" else ()),
            *_left_out_note(dialogs, names),
            *_media_notes(conversations),
        ),
    )


def _corpus_name(classes: _Classes, split: _SplitRule) -> str:
    """Return the corpus name for these emotions and this split."""
    return "iemocap" + f"-{classes}" * (classes != "6") + "-ratio" * (split == "ratio")


_CORPUS_NAMES = frozenset(
    _corpus_name(c, s) for c in get_args(_Classes) for s in get_args(_SplitRule)
)


class IemocapReader(CorpusReader):
    """IEMOCAP as released: text, speakers, labels, sound and film."""

    name = "iemocap"
    summary = "IEMOCAP: acted dialogues of two people, four or six emotions"
    source = "Folder IEMOCAP_full_release as released."
    terms = "IEMOCAP: acted dialogues of ten actors (SAIL's licence, for research)."
    corpora = _CORPUS_NAMES

    def read(
        self, source: Path, *, classes: _Classes = "6", split: _SplitRule = "session"
    ) -> RawCorpus:
        """Read the release; see ``_read_iemocap``."""
        return _read_iemocap(source, classes=classes, split=split)

    def locator(self, media: Path, conversations: Iterable[Conversation]) -> Locate:
        """Locate the utterance's sound file, and the speaker's half of the dialog's film."""

        def locate(conversation: Conversation, utterance: Utterance) -> Segment:
            parts = _parse_media(utterance.media or "")
            return Segment(
                sound=clip_inside(media, parts.sound),
                film=clip_inside(media, parts.film, start=utterance.start, end=utterance.end),
                half=parts.half,
            )

        return locate


def _select_conversations(
    directory: Path, dialogs: Sequence[Dialog], names: Mapping[str, str]
) -> Iterator[Conversation]:
    """Build conversations from the utterances with these labels; skip dialogs without any."""
    for dialog in dialogs:
        utterances = tuple(
            Utterance(
                id=rated.id,
                speaker=dialog.name[:5] + _speaker_letter(rated),
                text=dialog.words[rated.id],
                start=rated.start,
                end=rated.end,
                media=_name_media(directory, dialog, rated),
                label=names[rated.emotion],
            )
            for rated in dialog.rated
            if rated.emotion in names and rated.id in dialog.words
        )
        if utterances:
            yield Conversation(id=dialog.name, utterances=utterances)


def _speaker_letter(rated: Rated) -> str:
    """Return the speaker from an utterance id: F or M."""
    return rated.id.rpartition("_")[2][0]


def _name_media(directory: Path, dialog: Dialog, rated: Rated) -> str | None:
    """Build the ``media`` string from existing sound and film; None without either.

    **[decided]** The letter after the session in a dialog's name is the actor with the markers
    (release's README), who is assumed to be in the left half of the film (as usual in other work;
    the README does not say).
    """
    sound = f"Session{dialog.session}/sentences/wav/{dialog.name}/{rated.id}.wav"
    film = f"Session{dialog.session}/dialog/avi/DivX/{dialog.name}.avi"
    half = "left" if _speaker_letter(rated) == dialog.name[5] else "right"
    media = sound if (directory / sound).is_file() else ""
    if (directory / film).is_file():
        media += f"#film={film}&half={half}"
    return media or None


def _parse_media(media: str) -> _MediaSources:
    """Parse a ``media`` string of this corpus; InputError if invalid."""
    match = _MEDIA.fullmatch(media)
    if match is None:
        fix = "prepare the corpus again"
        raise InputError("media", f"{media[:80]!r} is not SOUND#film=FILM&half=left", fix)
    half = cast(Literal["left", "right"] | None, match[3])
    return _MediaSources(sound=match[1] or None, film=match[2], half=half)


def _divide(
    conversations: Conversations, dialogs: Sequence[Dialog], split: _SplitRule, *, seed: int
) -> _Splits:
    """Split by session (test: session 5; validation: a tenth of the rest) or 8:1:1."""
    if split == "ratio":
        names = split_by_ratio([dialog.name for dialog in dialogs], seed=seed)
        return {
            part: tuple(item for item in conversations if item.id in chosen)
            for part, chosen in names.items()
        }
    test = tuple(item for item in conversations if item.id.startswith(_TEST_SESSION))
    training = tuple(item for item in conversations if not item.id.startswith(_TEST_SESSION))
    train, valid = hold_out(training, seed=seed, share=0.1)
    return {"train": train, "valid": valid, "test": test}


def _split_note(splits: _Splits, split: _SplitRule, *, seed: int) -> str:
    """Remark that the split, or its validation part, is our own."""
    if split == "session":
        return hold_out_note(splits["valid"], seed=seed)
    counts = " / ".join(str(len(conversations)) for conversations in splits.values())
    return (
        "The corpus is published without a split: its conversations were divided as "
        f"{counts} (8:1:1) with seed {seed}."
    )


def _count_note(splits: _Splits) -> tuple[str]:
    """Compare the counts of the six emotions with the published ones."""
    counts = [sum(len(item) for item in conversations) for conversations in splits.values()]
    ours = " / ".join(f"{count:,}" for count in counts)
    return (
        "Papers count 5,246 / 564 / 1,623 utterances, 7,433 in all, with another "
        f"convention; here {ours}, {sum(counts):,} in all (the whole release rates 7,380 as one of "
        "the six; the other 53 are all counted as happy but have no such rating).",
    )


def _left_out_note(dialogs: Sequence[Dialog], names: Mapping[str, str]) -> tuple[str, ...]:
    """Remark on excluded utterances with other labels or without text."""
    rated = [(dialog, item) for dialog in dialogs for item in dialog.rated]
    others = Counter(item.emotion for _, item in rated if item.emotion not in names)
    silent = sum(item.emotion in names and item.id not in dialog.words for dialog, item in rated)
    counts = [f"{count} rated {emotion}" for emotion, count in sorted(others.items())]
    counts += [f"{silent} without a transcript"] if silent else []
    return (f"Utterances left out: {', '.join(counts)}.",) if counts else ()


def _media_notes(conversations: Conversations) -> tuple[str, ...]:
    """Remark on utterances without sound or film."""
    sources = {
        utterance.id: _parse_media(utterance.media or "")
        for conversation in conversations
        for utterance in conversation.utterances
    }
    without_sound = [name for name, media in sources.items() if media.sound is None]
    without_film = [name for name, media in sources.items() if media.film is None]
    return (
        *missing_note("sound", without_sound, total=len(sources)),
        *missing_note("film", without_film, total=len(sources)),
    )
