"""One split of a corpus under every disturbance, as model input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from mmerc.conversation import Modality, Split
from mmerc.data.corpus import PreparedCorpus, sound_sizes
from mmerc.data.corpus_media import add_corpus_sounds, corpus_tasks
from mmerc.data.feature_extraction import extract_modality
from mmerc.data.sounds import check_some
from mmerc.errors import InputError
from mmerc.executors.executor import Executor
from mmerc.experiments.robustness.disturbances import (
    Disturbance,
    drop_conversation_words,
    modality_disturbances,
)
from mmerc.experiments.robustness.stored_extractor import (
    Inapplicable,
    StoredExtractor,
    find_stored_extractor,
)
from mmerc.features.extraction import Task
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureSpec, FeatureTable
from mmerc.files import fingerprint
from mmerc.media.degradation import FrameLoss, Noise, utterance_seed
from mmerc.media.segment import Clip, Segment
from mmerc.models.base import AnyModel

_Extract = Callable[[NamedExtractor, FeatureSpec, Sequence[Task]], FeatureTable]
_MaybeCorpus = PreparedCorpus | Inapplicable
_TableByDisturbance = Mapping[Disturbance, FeatureTable]
_DISTURBED = "the corpus's own media are disturbed already (--visible-noise)"
_MEDIA: dict[Modality, str] = {"audio": "sound", "video": "video"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DisturbedCorpora:
    """One split of a corpus and its disturbed versions.

    ``corpus`` contains only that split, with its sounds; ``folder`` is the folder of the prepared
    corpus. ``tasks`` locate the utterances' media, None if unknown. ``extract`` extracts and stores
    vectors with the given specification. ``weights``: weights of a face network. Vectors extracted
    for one model are reused for the next.
    """

    corpus: PreparedCorpus
    folder: Path
    tasks: Sequence[Task] | None
    extract: _Extract
    weights: Path | None = None
    vectors: dict[Modality, _TableByDisturbance | Inapplicable] = field(
        default_factory=dict, init=False
    )

    @property
    def split(self) -> Split:
        (split,) = self.corpus.splits
        return split

    def apply(self, disturbance: Disturbance, model: AnyModel) -> _MaybeCorpus:
        """Return the disturbed corpus for ``model``; masks are applied later, to batches."""
        modality = disturbance.modality
        if modality in model.inputs.widths and modality not in self.corpus.features:
            return Inapplicable(f"corpus {self.corpus.name!r} has no {modality} vectors")
        if disturbance.strength is None:
            return self.corpus
        if modality == "text":
            return self._drop_words(disturbance.strength / 100, model)
        if modality == "audio" and model.speech_encoder is not None:
            return self._add_noise(disturbance.strength)
        if modality not in self.vectors:
            self.vectors[modality] = self._extract_graded(modality)
        tables = self.vectors[modality]
        if isinstance(tables, Inapplicable):
            return tables
        features = {**self.corpus.features, modality: tables[disturbance]}
        return replace(self.corpus, features=features)

    def _drop_words(self, share: float, model: AnyModel) -> _MaybeCorpus:
        if model.text_encoder is None:
            return Inapplicable(
                "the model reads stored text vectors, from which no words can be dropped"
            )
        conversations = self.corpus.splits[self.split]
        dropped = tuple(drop_conversation_words(item, share) for item in conversations)
        return replace(self.corpus, splits={self.split: dropped})

    def _add_noise(self, decibels: float) -> _MaybeCorpus:
        """Add noise, for models that read waveforms."""
        if any(clip.noise is not None for clip in self.corpus.sounds.values()):
            return Inapplicable(_DISTURBED)
        sounds = {
            key: replace(clip, noise=Noise(decibels, utterance_seed(*key)))
            for key, clip in self.corpus.sounds.items()
        }
        return replace(self.corpus, sounds=sounds)

    def _extract_graded(self, modality: Modality) -> _TableByDisturbance | Inapplicable:
        """Extract vectors again from the disturbed media, for models that read vectors."""
        if self.tasks is None:
            return Inapplicable(
                f"the {modality} vectors must be extracted again from disturbed media; name their "
                "folder with --media"
            )
        spec = self.corpus.features[modality].spec
        extractor = find_stored_extractor(spec, self.folder, weights=self.weights)
        if isinstance(extractor, Inapplicable):
            return extractor
        clips = _clips(self.tasks, modality)
        pictures = _pictures(self.tasks, modality)
        if not clips and not pictures:
            return Inapplicable(f"corpus {self.corpus.name!r} names no {_MEDIA[modality]}")
        if any(clip.noise is not None for clip in clips.values()) or any(
            modality == "video" and task.segment.loss is not None for task in self.tasks
        ):
            return Inapplicable(_DISTURBED)
        check_some(sorted({clip.path for clip in clips.values()}))
        media = fingerprint([sound_sizes(clips), pictures])
        return {
            disturbance: self._extract_table(disturbance, disturbance.strength, extractor, media)
            for disturbance in modality_disturbances(modality)
            if disturbance.strength is not None
        }

    def _extract_table(
        self, disturbance: Disturbance, strength: float, extractor: StoredExtractor, media: str
    ) -> FeatureTable:
        """Extract the vectors of one disturbance into a separate store."""
        modality = disturbance.modality
        origin = {
            "disturbance": disturbance.name,
            "conversations": self.corpus.fingerprints["conversations"],
            "media": media,
        }
        spec = replace(extractor.spec, settings={**extractor.spec.settings, **origin})
        tasks = [
            replace(task, segment=_disturbed_segment(task, modality, strength))
            for task in self.tasks or ()
        ]
        return extractor.as_stored(self.extract(extractor.named, spec, tasks))


def open_disturbed_corpora(
    prepared: PreparedCorpus,
    folder: Path,
    media: Path | None,
    *,
    split: Split,
    weights: Path | None,
    stores: Path,
    executor: Executor,
    report: Callable[[str], None],
) -> DisturbedCorpora:
    """Prepare one split of the corpus in ``folder``; InputError if it has no such split.

    ``media`` is the raw corpus's folder. Vectors of disturbed media are extracted like in
    ``mmerc extract`` and stored in ``stores``.
    """
    if split not in prepared.splits:
        raise InputError(folder, f"no {split} split", "choose another --split")

    def extract(named: NamedExtractor, spec: FeatureSpec, tasks: Sequence[Task]) -> FeatureTable:
        return extract_modality(
            named, tasks, stores, executor=executor, report=report, spec=spec
        ).table

    corpus = replace(prepared, splits={split: prepared.splits[split]})
    return DisturbedCorpora(
        corpus=add_corpus_sounds(corpus, media),
        folder=folder,
        tasks=None if media is None else corpus_tasks(corpus, media),
        extract=extract,
        weights=weights,
    )


def _clips(tasks: Sequence[Task], modality: Modality) -> dict[tuple[str, str], Clip]:
    """Return the sound or video of every utterance that has it."""
    clips = {
        task.key: task.segment.sound if modality == "audio" else task.segment.film for task in tasks
    }
    return {key: clip for key, clip in clips.items() if clip is not None}


def _pictures(tasks: Sequence[Task], modality: Modality) -> list[tuple[str, str, str]]:
    """Return the hash of every utterance's pictures, if any."""
    pictured = [task for task in tasks if modality == "video" and task.segment.pictures]
    return [(*task.key, sha256(b"".join(task.segment.pictures)).hexdigest()) for task in pictured]


def _disturbed_segment(task: Task, modality: Modality, strength: float) -> Segment:
    """Add noise to an utterance's sound, or drop some of its frames."""
    segment, seed = task.segment, utterance_seed(*task.key)
    if modality == "video":
        return replace(segment, loss=FrameLoss(strength / 100, seed))
    if segment.sound is None:
        return segment
    return replace(segment, sound=replace(segment.sound, noise=Noise(strength, seed)))
