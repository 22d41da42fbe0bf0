"""Train and evaluate one seed."""

from __future__ import annotations

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import score
from mmerc.files import write_json, write_text
from mmerc.models.base import AnyModel
from mmerc.models.training_data import TrainedOn
from mmerc.training.cache import create_try
from mmerc.training.folder import remove_training_state
from mmerc.training.job import TrainingJob
from mmerc.training.result import confusion_csv, scores_json
from mmerc.training.scoring import predict_corpus
from mmerc.training.trainer import Trained, train_seed


def fetch_seed(job: TrainingJob) -> bool:
    """Return whether a seed is finished, after looking in its folder and in the cache."""
    if (job.directory / "seed.json").exists():
        job.say("already finished")
        return True
    if job.cache is not None and job.cache.fetch(job.key(job.corpus.open()), job.directory):
        job.say("taken from the cache")
        return True
    return False


def finish_seed(job: TrainingJob) -> None:
    """Train and evaluate one seed, unless this or another run has done so."""
    if fetch_seed(job):
        return
    corpus = job.corpus.open()
    trained = train_seed(
        job.recipe, corpus, job.directory, seed=job.seed, hardware=job.hardware, report=job.say
    )
    if trained is not None:
        _write_seed(job, corpus, trained)


def _write_seed(job: TrainingJob, corpus: PreparedCorpus, trained: Trained) -> None:
    """Open the test split once; write predictions, model and scores; cache the seed."""
    key, model, directory = job.key(corpus), trained.model, job.directory
    predictions = {
        split: predict_corpus(model, corpus, split, hardware=job.hardware)
        for split in ("valid", "test")
    }
    for split, predicted in predictions.items():
        predicted.save(directory / f"predictions-{split}.parquet")
    write_text(directory / "confusion.csv", confusion_csv(predictions["test"]))
    model.save_pretrained(
        directory / "model",
        card=_model_card(job, corpus, model),
        trained_on=TrainedOn(
            corpus=corpus.name,
            labels_of=corpus.label_source,
            conversations=frozenset(item.id for item in corpus.splits["train"]),
            extractors={m: corpus.features[m].spec.extractor for m in model.inputs.widths},
        ),
    )
    scores = {s: scores_json(score(items), model.labels) for s, items in predictions.items()}
    if job.cache is not None and job.cache.score(key) is None:
        # Before the seed is finished: a kill must not lose the validation score, and a resumed
        # run must not log it twice.
        line = create_try(
            job.recipe, corpus, key=key, seed=job.seed, validated_on=job.corpus.validated_on,
            score=trained.valid_weighted_f1,
        )  # fmt: skip
        job.cache.log(line)
    described = {
        "seed": job.seed, "epoch": trained.epoch, "steps": trained.steps,
        "weights": trained.weights, "remarks": list(trained.remarks),
    }  # fmt: skip
    write_json(directory / "seed.json", described | scores)
    remove_training_state(directory)
    if job.cache is not None:
        job.cache.keep(key, directory)
    for remark in trained.remarks:
        job.say(f"warning: {remark}")
    test = scores["test"]["weighted_f1"]
    job.say(f"test weighted F1 {test:.2f} (epoch {trained.epoch + 1})")


def _model_card(job: TrainingJob, corpus: PreparedCorpus, model: AnyModel) -> str:
    """Return the model card: what the model is, its training data, prohibited uses."""
    size = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"# {job.recipe.name}, seed {job.seed}\n\n{job.recipe.description}\n\n"
        f"- model: {model.name}, {size:,} parameters\n"
        f"- corpus: {corpus.name} (its licence governs what these weights may be used for)\n"
        f"- labels: {', '.join(model.labels)}\n"
        f"- modalities: {', '.join(model.inputs.output_widths)}\n\n"
        "Predicted emotions are guesses about how an utterance would be labelled, not facts about "
        "a person. The EU's AI Act prohibits inferring emotions at work and in education.\n"
    )
