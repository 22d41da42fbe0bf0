"""One seed from its first batch to its scores."""

from __future__ import annotations

from dataclasses import dataclass

from mmerc.evaluation.metrics import score
from mmerc.files import write_json, write_text
from mmerc.models.base import AnyModel
from mmerc.models.training_data import TrainedOn
from mmerc.training.cache import RunCache, seed_key, tried
from mmerc.training.folder import Run, remove_training_state
from mmerc.training.hardware import Hardware
from mmerc.training.result import confusion_csv, scores_json
from mmerc.training.scoring import predict_corpus
from mmerc.training.selection import Report
from mmerc.training.trainer import Trained, train_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedTask:
    """A seed of a run, to be trained here or in a process of its own."""

    run: Run
    seed: int
    hardware: Hardware
    cache: RunCache | None
    report: Report

    def say(self, line: str) -> None:
        self.report(f"seed {self.seed}: {line}")


def finish_seed(task: SeedTask) -> None:
    """Train and evaluate one seed, unless that is done, in this run or in another."""
    run, seed = task.run, task.seed
    directory = run.seed_directory(seed)
    if (directory / "seed.json").exists():
        task.say("done before")
        return
    key = seed_key(run.recipe, run.corpus, seed, task.hardware)
    if task.cache is not None and task.cache.fetch(key, directory):
        task.say("taken from the cache")
        return
    trained = train_seed(
        run.recipe, run.corpus, directory, seed=seed, hardware=task.hardware, report=task.say
    )
    if trained is not None:
        write_seed(task, key, trained)


def write_seed(task: SeedTask, key: str, trained: Trained) -> None:
    """Open the test split, once; write predictions, model and scores; remember the seed."""
    run, seed, model = task.run, task.seed, trained.model
    directory = run.seed_directory(seed)
    predictions = {
        split: predict_corpus(model, run.corpus, split, hardware=task.hardware)
        for split in ("valid", "test")
    }
    for split, made in predictions.items():
        made.save(directory / f"predictions-{split}.parquet")
    write_text(directory / "confusion.csv", confusion_csv(predictions["test"]))
    seen = frozenset(conversation.id for conversation in run.corpus.splits["train"])
    model.save_pretrained(
        directory / "model",
        card=model_card(run, model, seed),
        trained_on=TrainedOn(
            corpus=run.corpus.name,
            labels_of=run.corpus.label_source,
            conversations=seen,
            extractors={m: run.corpus.features[m].spec.extractor for m in model.inputs.widths},
        ),
    )
    scores = {s: scores_json(score(made), model.labels) for s, made in predictions.items()}
    if task.cache is not None and task.cache.score(key) is None:
        # before the seed is done: a kill must not lose the look, nor count it again on resuming
        valid = trained.valid_weighted_f1
        line = tried(run.recipe, run.corpus, key=key, seed=seed, validated_on="valid", score=valid)
        task.cache.log(line)
    write_json(directory / "seed.json", {"seed": seed, "epoch": trained.epoch} | scores)
    remove_training_state(directory)
    if task.cache is not None:
        task.cache.keep(key, directory)
    test = scores["test"]["weighted_f1"]
    task.say(f"test weighted F1 {test:.2f} (epoch {trained.epoch + 1})")


def model_card(run: Run, model: AnyModel, seed: int) -> str:
    """Model card: what it is, what it was trained on, what it must not be used for."""
    size = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"# {run.recipe.name}, seed {seed}\n\n{run.recipe.description}\n\n"
        f"- model: {model.name}, {size:,} parameters\n"
        f"- corpus: {run.corpus.name} (its licence governs what these weights may be used for)\n"
        f"- labels: {', '.join(model.labels)}\n"
        f"- modalities: {', '.join(model.inputs.output_widths)}\n\n"
        "Predicted emotions are guesses about how an utterance would be labelled, not facts about "
        "a person. The EU's AI Act forbids inferring emotions at work and in education.\n"
    )
