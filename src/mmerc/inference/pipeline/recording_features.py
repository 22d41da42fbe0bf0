"""Audio and video features of every utterance of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmerc.conversation import Modality, Utterance
from mmerc.errors import InputError, MmercError
from mmerc.executors.executor import Executor
from mmerc.features.extraction import Progress, extract_all
from mmerc.features.recordings import recording_task
from mmerc.features.registry import ExtractorBuilder, NamedExtractor
from mmerc.features.store import FeatureStore, FeatureTable
from mmerc.files import write_error
from mmerc.inference.pipeline.progress import Hook, Step
from mmerc.threads import one_thread

# [decided] Fewer utterances are processed here, because starting workers would take longer. A film
# that crashes the decoder then ends the analysis, as with one worker.
_FEW = 10
_LONG = 60.0  # seconds; shorter recordings may have fewer utterances
_MODULES = ("mmerc.features.whisper_means", "mmerc.features.face_tracks")  # of most extractors


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """A modality that is unavailable for all utterances, with the reason."""

    modality: Modality
    reason: str


def extract_features(
    modality: Modality,
    extractor: ExtractorBuilder,
    recording: Path,
    utterances: Sequence[Utterance],
    *,
    stores: Path,
    workers: int,
    report: Hook,
) -> FeatureTable | Unavailable:
    """Features of one modality, reusing those of an interrupted run.

    ``extractor`` builds the extractor in every worker process. ``stores`` is the folder for the
    features; InputError if it is not writable.
    """

    def forward(progress: Progress) -> None:
        report(Step(modality, progress.done, progress.total))

    tasks = [recording_task(recording, utterance) for utterance in utterances]
    try:
        built = extractor()
        store = FeatureStore.create(stores, built.spec)
        if len(tasks) < _FEW:
            with one_thread():  # like a worker, so that vectors are bit-identical
                extract_all(tasks, lambda: built, store, executor=Executor(), report=forward)
        else:
            del built  # every worker builds its own
            extract_all(tasks, extractor, store, executor=_workers(workers), report=forward)
        return store.read()
    except OSError as error:
        raise write_error(stores, error) from error
    except InputError:  # a damaged file, or a full disk
        raise
    except MmercError as error:  # a package or weights are missing; other modalities continue
        return Unavailable(modality=modality, reason=str(error))


def extract_speakers_faces(
    modality: Modality,
    extractor: ExtractorBuilder,
    recording: Path,
    utterances: Sequence[Utterance],
    *,
    stores: Path,
    workers: int,
    report: Hook,
) -> FeatureTable | Unavailable:
    """Extract features (``extract_features``) of the speaker among several people on screen.

    Faces are re-identified throughout the recording.
    """
    track_extractor = None
    if isinstance(extractor, NamedExtractor) and extractor.follows_faces:
        track_extractor = replace(extractor, tracks=True)
    features = extract_features(
        modality,
        track_extractor or extractor,
        recording,
        utterances,
        stores=stores,
        workers=workers,
        report=report,
    )
    if isinstance(features, Unavailable) or track_extractor is None:
        return features
    from mmerc.features.speaker_people import choose_speakers_faces

    speakers = {utterance.id: utterance.speaker for utterance in utterances}
    return choose_speakers_faces(features, speakers, spec=extractor().spec)


def start_workers(workers: int, *, duration: float | None) -> None:
    """Start the imports of later worker processes, if the recording is long enough to need them."""
    if duration is not None and duration >= _LONG:
        _workers(workers).start_imports()


def _workers(count: int) -> Executor:
    """Return the executor for many utterances."""
    return Executor(jobs=count, preload=_MODULES)
