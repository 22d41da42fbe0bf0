"""A corpus, disturbed: what a model is asked again on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from mmerc.conversation import Modality, Split
from mmerc.data.corpus import PreparedCorpus, sizes
from mmerc.data.sounds import check_some
from mmerc.experiments.robustness.disturbances import (
    Disturbance,
    disturbances_of,
    seed_of,
    with_words_dropped,
)
from mmerc.experiments.robustness.remaking import LeftOut, Maker, maker_of
from mmerc.features.extraction import Task
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureSpec, FeatureTable
from mmerc.files import fingerprint
from mmerc.media.degradation import FrameLoss, Noise
from mmerc.media.segment import Clip, Segment
from mmerc.models.base import AnyModel

Extract = Callable[[NamedExtractor, FeatureSpec, Sequence[Task]], FeatureTable]
Disturbed = PreparedCorpus | LeftOut
Tables = Mapping[Disturbance, FeatureTable]
MEDIA: dict[Modality, str] = {"audio": "sound", "video": "film"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One split of a corpus and what can be disturbed of it.

    ``corpus`` holds that split alone, with its sounds; ``folder`` is the prepared corpus's.
    ``tasks`` say where the utterances' media lie, None where nobody knows. ``extract`` takes
    vectors and keeps them under the given specification. ``weights`` are a face network's. What was
    taken for one model is there for the next.
    """

    corpus: PreparedCorpus
    folder: Path
    tasks: Sequence[Task] | None
    extract: Extract
    weights: Path | None = None
    taken: dict[Modality, Tables | LeftOut] = field(default_factory=dict, init=False)

    @property
    def split(self) -> Split:
        (split,) = self.corpus.splits
        return split

    def disturbed(self, disturbance: Disturbance, model: AnyModel) -> Disturbed:
        """The corpus as ``model`` is to read it; masks are laid over its batches, not over this."""
        modality = disturbance.modality
        if modality in model.inputs.widths and modality not in self.corpus.features:
            return LeftOut(f"corpus {self.corpus.name!r} has no {modality} vectors")
        if disturbance.strength is None:
            return self.corpus
        if modality == "text":
            return self.with_words_dropped(disturbance.strength / 100, model)
        if modality == "audio" and model.speech_encoder is not None:
            return self.with_noise(disturbance.strength)
        if modality not in self.taken:
            self.taken[modality] = self.vectors_of(modality)
        tables = self.taken[modality]
        if isinstance(tables, LeftOut):
            return tables
        features = {**self.corpus.features, modality: tables[disturbance]}
        return replace(self.corpus, features=features)

    def with_words_dropped(self, share: float, model: AnyModel) -> Disturbed:
        if model.text_encoder is None:
            return LeftOut("the model reads stored text vectors, from which no word can be dropped")
        conversations = self.corpus.splits[self.split]
        dropped = tuple(with_words_dropped(item, share) for item in conversations)
        return replace(self.corpus, splits={self.split: dropped})

    def with_noise(self, decibels: float) -> PreparedCorpus:
        """For models that read sound as it is."""
        sounds = {
            key: replace(clip, noise=Noise(decibels, seed_of(*key)))
            for key, clip in self.corpus.sounds.items()
        }
        return replace(self.corpus, sounds=sounds)

    def vectors_of(self, modality: Modality) -> Tables | LeftOut:
        """For models that read vectors: they are taken again, of the disturbed media."""
        if self.tasks is None:
            return LeftOut(
                f"the {modality} vectors must be taken again of disturbed media, whose folder is "
                "not known; name it with --media"
            )
        maker = maker_of(self.corpus.features[modality].spec, self.folder, weights=self.weights)
        if isinstance(maker, LeftOut):
            return maker
        clips = clips_of(self.tasks, modality)
        pictures = pictures_of(self.tasks, modality)
        if not clips and not pictures:
            return LeftOut(f"corpus {self.corpus.name!r} names no {MEDIA[modality]}")
        check_some(sorted({clip.path for clip in clips.values()}))
        media = fingerprint([sizes(clips), pictures])
        return {
            disturbance: self.table_of(disturbance, disturbance.strength, maker, media)
            for disturbance in disturbances_of(modality)
            if disturbance.strength is not None
        }

    def table_of(
        self, disturbance: Disturbance, strength: float, maker: Maker, media: str
    ) -> FeatureTable:
        """Vectors of one disturbance, kept apart from those of other media, splits and corpora."""
        modality = disturbance.modality
        known = {
            "disturbance": disturbance.name,
            "conversations": self.corpus.fingerprints["conversations"],
            "media": media,
        }
        spec = replace(maker.spec, settings={**maker.spec.settings, **known})
        tasks = [
            replace(task, segment=disturbed_segment(task, modality, strength))
            for task in self.tasks or ()
        ]
        return maker.as_stored(self.extract(maker.named, spec, tasks))


def clips_of(tasks: Sequence[Task], modality: Modality) -> dict[tuple[str, str], Clip]:
    """The sound or the film of every utterance that has one."""
    found = {
        task.key: task.segment.sound if modality == "audio" else task.segment.film for task in tasks
    }
    return {key: clip for key, clip in found.items() if clip is not None}


def pictures_of(tasks: Sequence[Task], modality: Modality) -> list[tuple[str, str, str]]:
    """The hash of every utterance's pictures, of those that have any."""
    shown = [task for task in tasks if modality == "video" and task.segment.pictures]
    return [(*task.key, sha256(b"".join(task.segment.pictures)).hexdigest()) for task in shown]


def disturbed_segment(task: Task, modality: Modality, strength: float) -> Segment:
    """An utterance's media with noise in its sound, or without some of its frames."""
    segment, seed = task.segment, seed_of(*task.key)
    if modality == "video":
        return replace(segment, loss=FrameLoss(strength / 100, seed))
    if segment.sound is None:
        return segment
    return replace(segment, sound=replace(segment.sound, noise=Noise(strength, seed)))
