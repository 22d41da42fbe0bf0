"""Speaker names chosen by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import UsageError
from mmerc.names import tidy_name


def parse_names(options: Iterable[str]) -> dict[str, str]:
    """Read options such as ``SPEAKER_01=Mara``: speaker -> name.

    UsageError for an option without speaker or name, and for a speaker who is named twice.
    """
    names: dict[str, str] = {}
    for option in options:
        speaker, _, name = map(tidy_name, option.partition("="))
        if not speaker or not name:
            raise UsageError(f"{option!r} has no speaker or no name; write --name SPEAKER_01=Mara.")
        if speaker in names:
            raise UsageError(f"{speaker!r} is named twice; give one --name for each speaker.")
        names[speaker] = name
    return names


def rename_speakers(
    utterances: Sequence[Utterance], names: Mapping[str, str]
) -> tuple[Utterance, ...]:
    """Rename the speakers of utterances; two speakers with the same new name are merged.

    UsageError, listing all speakers, if ``names`` has an unknown one.
    """
    return _renamed(utterances, _check_speakers(utterances, names))


def rename_in_conversations(
    conversations: Sequence[Conversation], names: Mapping[str, str]
) -> list[Conversation]:
    """Rename the speakers of conversations (see ``rename_speakers``)."""
    spoken = [item for group in conversations for item in group.utterances]
    names = _check_speakers(spoken, names)
    return [replace(item, utterances=_renamed(item.utterances, names)) for item in conversations]


def _check_speakers(utterances: Iterable[Utterance], names: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``names`` with tidy speakers; UsageError for an unknown one."""
    names = {tidy_name(speaker): name for speaker, name in names.items()}
    speakers = dict.fromkeys(item.speaker for item in utterances)
    unknown = [speaker for speaker in names if speaker not in speakers]
    if unknown:
        raise UsageError(
            f"No speaker is called {unknown[0]!r}; --name can name {', '.join(sorted(speakers))}."
        )
    return names


def _renamed(utterances: Sequence[Utterance], names: Mapping[str, str]) -> tuple[Utterance, ...]:
    return tuple(replace(u, speaker=names.get(u.speaker, u.speaker)) for u in utterances)
