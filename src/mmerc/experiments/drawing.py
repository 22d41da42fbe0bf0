"""Which figures a target has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mmerc.evaluation.metrics import Metric
from mmerc.experiments import analyses, analyses_inside, analyses_layers
from mmerc.experiments.figures.groups import (
    draw_consistency,
    draw_similarity,
    draw_trend,
    draw_weights,
)
from mmerc.experiments.figures.inside import (
    draw_contribution_error,
    draw_heat_maps,
    draw_projection,
)
from mmerc.experiments.figures.layers import draw_cases, draw_dominance, draw_layer_confidence
from mmerc.experiments.figures.style import Drawn
from mmerc.experiments.figures.tables import draw_differences, draw_scores
from mmerc.experiments.figures.training import draw_confusions, draw_curves
from mmerc.experiments.measured import Measured
from mmerc.experiments.plan import Plan
from mmerc.experiments.scores import ScoredRow
from mmerc.experiments.target import Plot


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a figure may be made of."""

    plan: Plan
    measured: Sequence[Measured]
    scored: Sequence[ScoredRow]

    @property
    def metric(self) -> Metric:
        return self.plan.target.metric

    @property
    def first(self) -> str:
        """Name of the row that others are compared with."""
        return self.plan.target.baseline

    @property
    def baseline(self) -> Measured:
        return next(item for item in self.measured if item.row.name == self.first)


def table_figures(given: Material) -> list[Drawn]:
    """Scores and differences."""
    return [draw_scores(given.plan, given.scored), draw_differences(given.plan, given.scored)]


def similarity(given: Material) -> list[Drawn]:
    """DF-ERC, Figure 6."""
    return [draw_similarity(analyses.similarity(given.measured, given.metric), given.metric)]


def weights(given: Material) -> list[Drawn]:
    """DF-ERC, Figure 7."""
    return [draw_weights(analyses.weights(given.measured, given.metric), given.metric)]


def consistency(given: Material) -> list[Drawn]:
    """DF-ERC, Figure 8."""
    rows = analyses.consistency(given.measured, given.first, given.metric)
    return [draw_consistency(rows, given.metric)]


def trend(given: Material) -> list[Drawn]:
    """DF-ERC, Figure 9."""
    return [draw_trend(given.scored, given.metric, given.plan.target.axis)]


def projection(given: Material) -> list[Drawn]:
    """DF-ERC, Figure 10."""
    return [draw_projection(analyses_inside.projection(given.measured))]


def contribution_error(given: Material) -> list[Drawn]:
    """DF-ERC, Figure 11."""
    return [draw_contribution_error(analyses_inside.contribution_error(given.baseline))]


def heat_maps(given: Material) -> list[Drawn]:
    """MultiEMO, Figure 6."""
    return [draw_heat_maps(analyses_inside.heat_maps(given.measured, given.first))]


def layer_confidence(given: Material) -> list[Drawn]:
    """DQ-Former, Figure 3."""
    rows = analyses_layers.layer_confidence(given.baseline)
    return [draw_layer_confidence(rows, analyses_layers.threshold(given.baseline))]


def dominance(given: Material) -> list[Drawn]:
    """DQ-Former, Figure 4."""
    rows = analyses_layers.dominance(given.baseline)
    return [draw_dominance(rows, analyses_layers.threshold(given.baseline))]


def cases(given: Material) -> list[Drawn]:
    """DQ-Former, Figure 5."""
    rows = analyses_layers.cases(given.baseline)
    return [draw_cases(rows, analyses_layers.threshold(given.baseline))]


DRAWN: Mapping[Plot, Callable[[Material], list[Drawn]]] = {
    "table": table_figures,
    "similarity": similarity,
    "weights": weights,
    "consistency": consistency,
    "trend": trend,
    "projection": projection,
    "contribution-error": contribution_error,
    "heat-maps": heat_maps,
    "layer-confidence": layer_confidence,
    "dominance": dominance,
    "cases": cases,
}


def own_figures(given: Material) -> list[Drawn]:
    """What the paper shows there."""
    return DRAWN[given.plan.target.plot](given)


def training_figures(given: Material) -> list[Drawn]:
    """What every report shows at its end: learning curves and confusion matrices."""
    trained = [item for item in given.measured if item.row.masked is None]
    return [
        draw_curves(analyses.curves(trained)),
        draw_confusions(analyses.confusions(given.measured)),
    ]
