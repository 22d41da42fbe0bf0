"""Measure and report the agreement of raters in files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmerc.annotation.matching import match_raters
from mmerc.annotation.predicted_rows import is_predicted_table, read_predicted_rows
from mmerc.annotation.rated_lines import RatedLine
from mmerc.annotation.rater_files import name_conversations, read_raters
from mmerc.csv_text import format_csv
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.alternative_annotator import (
    AlternativeAnnotatorTest,
    alternative_annotator_test,
)
from mmerc.evaluation.label_sampling import CHOSEN, STRATIFIED, UNCERTAIN
from mmerc.evaluation.rater_agreement import (
    Estimate,
    GroupAgreement,
    PairAgreement,
    RaterAgreement,
    Ratings,
    measure_agreement,
)

MODEL = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterComparison:
    """Agreement between people (None for one rater) and of each of them with a model.

    ``test`` is None without a model, or if raters have too few utterances in common.
    """

    people: RaterAgreement | None
    model: tuple[PairAgreement, ...]
    test: AlternativeAnnotatorTest | None
    remarks: tuple[str, ...]


def compare_raters(
    files: Sequence[str | Path],
    *,
    model: str | Path | None = None,
    raters: Sequence[str] = (),
    order: Sequence[str] = (),
    margin: float = 0.15,
    resamples: int = 2000,
) -> RaterComparison:
    """Read the raters' files, match their utterances and measure agreement.

    ``raters`` names columns or tiers; ``order`` lists all labels if they are a scale. UsageError
    for fewer than two raters; InputError from ``read_raters`` and ``match_raters``.
    """
    lines = read_raters([Path(file) for file in files], raters)
    people = len(lines)
    if people < (2 if model is None else 1):
        raise UsageError("Agreement needs two raters; give another file, --raters or --model.")
    if model is not None:
        if MODEL in lines:
            raise UsageError(f"A rater is called {MODEL!r}; rename the file.")
        lines = name_conversations(lines | {MODEL: _read_model(Path(model))})
    ratings, remarks = match_raters(lines, order or None)
    report = measure_agreement(ratings, ordered=bool(order), resamples=resamples)
    if report.resampled == "utterances":
        remarks.append(
            "all labels are from one conversation, so utterances are resampled; the intervals are "
            "too narrow for other conversations."
        )
    strategies = {line.strategy for rated in lines.values() for line in rated if line.label}
    remarks += _describe_draw(
        strategies, weighted=ratings.weights is not None, model=model is not None
    )
    if model is None:
        return RaterComparison(people=report, model=(), test=None, remarks=tuple(remarks))
    pairs = tuple(pair for pair in report.pairs if pair.second == MODEL)
    humans = replace(ratings, raters=ratings.raters[:-1], values=ratings.values[:-1])
    test, doubts = _test(humans, ratings.values[-1], margin)
    return RaterComparison(
        people=_people_only(humans, ordered=bool(order), resamples=resamples),
        model=pairs,
        test=test,
        remarks=(*remarks, *doubts),
    )


def _describe_draw(strategies: Collection[str], *, weighted: bool, model: bool) -> Iterator[str]:
    """Explain how the sampling of utterances affects the coefficients."""
    if model and UNCERTAIN in strategies:
        yield (
            "the labelled utterances are those that the model was least sure of, so its agreement "
            "with people is probably higher on all utterances."
        )
    if model and CHOSEN in strategies:
        yield (
            "the raters chose which lines to label, so agreement with the model on all lines may "
            "differ; draw a sample with `mmerc sample`."
        )
    if weighted:
        yield (
            "the sample is stratified: each utterance is weighted by how many it represents, "
            "except in the alternative annotator test."
        )
    elif STRATIFIED in strategies:
        yield (
            "the sample is stratified, so rare predicted emotions count too much; label in "
            "sample.csv or on the page, which keep the weights."
        )


def _read_model(path: Path) -> list[RatedLine]:
    """Read a model's labels from predictions, a study or an analysis."""
    if is_predicted_table(path):
        return list(read_predicted_rows(path).lines)
    answers = read_raters([path])
    if len(answers) != 1:
        raise InputError(path, f"labels of {len(answers)} raters", "give one model's labels")
    return next(iter(answers.values()))


def _people_only(ratings: Ratings, *, ordered: bool, resamples: int) -> RaterAgreement | None:
    """Measure agreement without the model; None for one rater or without common utterances."""
    if not ((ratings.values >= 0).sum(axis=0) > 1).any():
        return None
    return measure_agreement(ratings, ordered=ordered, resamples=resamples)


def _test(
    ratings: Ratings, answers: np.ndarray[Any, np.dtype[np.int64]], margin: float
) -> tuple[AlternativeAnnotatorTest | None, list[str]]:
    """Run the alternative annotator test, or return why it is impossible."""
    if len(ratings.raters) < 2:
        return None, ["the alternative annotator test needs two raters, better three."]
    try:
        test = alternative_annotator_test(
            ratings.values,
            answers,
            raters=ratings.raters,
            count=len(ratings.labels),
            margin=margin,
        )
    except InputError as error:
        return None, [f"{error.where}: none, {error.problem}."]
    doubts = []
    if len(test.comparisons) < 3:
        doubts.append("the alternative annotator test is meant for three raters or more.")
    return test, doubts


def as_values(comparison: RaterComparison) -> dict[str, Any]:
    """Convert the comparison to JSON values."""
    return asdict(comparison)


def as_text(comparison: RaterComparison) -> str:
    """Format the comparison as text."""
    lines: list[str] = []
    if comparison.people is not None:
        lines += _describe_people(comparison.people)
    for pair in comparison.model:
        lines += ["", f"{pair.first} and the model ({pair.utterances} utterances):"]
        lines += _describe_pair(pair)
    if comparison.test is not None:
        lines += ["", *_describe_test(comparison.test)]
    return "\n".join(lines).strip("\n") + "\n"


def _describe_people(report: RaterAgreement) -> Iterator[str]:
    """Describe agreement overall, by pair, by label and by speaker."""
    yield (
        f"{len(report.raters)} raters, {report.utterances} utterances labelled by two or more "
        f"({report.complete} by all), {report.conversations} conversations; 95 % intervals over "
        f"{report.resampled}"
    )
    yield f"percent agreement     {_format(report.percent, 1)}"
    yield f"Krippendorff's alpha  {_format(report.alpha)}"
    yield f"Fleiss' kappa         {_format(report.fleiss)}"
    for pair in report.pairs:
        yield from ("", f"{pair.first} and {pair.second} ({pair.utterances} utterances):")
        yield from _describe_pair(pair)
        yield from _confusion_lines(pair, report.labels)
    for title, groups in (("label", report.classes), ("speaker", report.speakers)):
        if groups:
            yield ""
            yield from _group_lines(title, groups)


def _describe_pair(pair: PairAgreement) -> Iterator[str]:
    """The coefficients of two raters."""
    yield f"  percent agreement   {_format(pair.percent, 1)}"
    yield f"  Cohen's kappa       {_format(pair.kappa)}"
    if pair.linear is not None and pair.quadratic is not None:
        yield f"  linearly weighted   {_format(pair.linear)}"
        yield f"  quadratic           {_format(pair.quadratic)}"


def _confusion_lines(pair: PairAgreement, labels: Sequence[str]) -> Iterator[str]:
    """The confusion matrix."""
    width = max(5, *(len(name) for name in labels))
    yield f"  {pair.first} (rows) by {pair.second} (columns):"
    yield "  " + " ".join([" " * width, *(name.rjust(width) for name in labels)])
    for name, row in zip(labels, pair.confusion, strict=True):
        yield "  " + " ".join([name.ljust(width), *(str(cell).rjust(width) for cell in row)])


def _group_lines(title: str, groups: Sequence[GroupAgreement]) -> Iterator[str]:
    """One line per label or speaker."""
    width = max(len(title), *(len(group.name) for group in groups))
    yield f"{title.ljust(width)}  ratings  percent agreement    Krippendorff's alpha"
    for group in groups:
        percent, alpha = _format(group.percent, 1), _format(group.alpha)
        yield f"{group.name.ljust(width)}  {group.ratings:7d}  {percent:19}  {alpha}"


def _describe_test(test: AlternativeAnnotatorTest) -> Iterator[str]:
    """The alternative annotator test."""
    verdict = "may" if test.passed else "is not shown to be able to"
    yield (
        f"alternative annotator test (margin {test.margin:.2f}): the model {verdict} replace "
        f"a rater; it wins against {sum(item.won for item in test.comparisons)} of "
        f"{len(test.comparisons)}, mean advantage {test.advantage:.2f}"
    )
    for item in test.comparisons:
        outcome = "wins" if item.won else "does not win"
        yield (
            f"  against {item.rater}: {outcome}, advantage {item.advantage:.2f}, "
            f"p {item.p_value:.4f}, {item.utterances} utterances"
        )


def _format(estimate: Estimate, digits: int = 3) -> str:
    """A coefficient with its interval."""
    if estimate.value is None:
        return "undefined"
    values = (estimate.value, estimate.low, estimate.high)
    value, low, high = (f"{number:.{digits}f}" for number in values)
    return f"{value} ({low} to {high})"


def tabulate(comparison: RaterComparison) -> str:
    """Format all coefficients as CSV: subject, name, value, low, high, utterances."""
    rows = (
        {"about": about, "measure": measure, **asdict(estimate), "count": count}
        for about, measure, estimate, count in _list_estimates(comparison)
    )
    return format_csv(("about", "measure", "value", "low", "high", "count"), rows)


def _list_estimates(comparison: RaterComparison) -> Iterator[tuple[str, str, Estimate, int]]:
    """Yield every coefficient with its subject and number of utterances or ratings."""
    report = comparison.people
    if report is not None:
        yield "all", "percent", report.percent, report.utterances
        yield "all", "alpha", report.alpha, report.utterances
        yield "all", "fleiss", report.fleiss, report.complete
    for pair in (*(report.pairs if report else ()), *comparison.model):
        for measure in ("percent", "kappa", "linear", "quadratic"):
            estimate = getattr(pair, measure)
            if estimate is not None:
                yield f"{pair.first} and {pair.second}", measure, estimate, pair.utterances
    for kind in ("classes", "speakers"):
        for group in getattr(report, kind, ()):
            about = f"{'label' if kind == 'classes' else 'speaker'} {group.name}"
            yield about, "percent", group.percent, group.ratings
            yield about, "alpha", group.alpha, group.ratings
    for item in comparison.test.comparisons if comparison.test else ():
        advantage = Estimate(value=item.advantage, low=None, high=None)
        yield f"model against {item.rater}", "advantage", advantage, item.utterances
