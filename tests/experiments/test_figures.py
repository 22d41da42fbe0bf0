"""Figures drawn from very small real runs; those of DQ-Former are in test_dq_former_figures."""

import numpy as np
from very_small import SMALL

from mmerc.experiments.papers.multiemo.figures import _draw_heat_maps, _find_fusion_example
from mmerc.experiments.plots.style import Plot, house_style, new_figure
from mmerc.experiments.reproduction import hidden_states, masking
from mmerc.experiments.reproduction.measure import _read_trained_row, measure
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.reproduce import reproduce
from mmerc.experiments.reproduction.targets import Masking
from mmerc.experiments.reproduction.workspace import Workspace
from mmerc.training.scoring import predict_corpus

MASKING = Masking(modality="audio", how="absent")
TRAINING = tuple(change for change in SMALL if change.startswith("training."))
MULTIEMO = (
    "model.width=8", "model.audio_width=8", "model.feed_forward_width=8", "model.layers=1",
    "model.classifier_width=8", "model.attention_heads=2", *TRAINING,
)  # fmt: skip


def pictures(predictions, name):
    """The figure as PNG, and the text of its SVG."""
    folder = predictions.folder / "figures"
    return (folder / f"{name}.png").read_bytes(), (folder / f"{name}.svg").read_text()


def test_context_weight_by_similarity_rank(make_settings, corpus_folder, tmp_path, read_csv):
    settings = make_settings(corpus_folder, tmp_path / "out", seeds=1)
    predictions = reproduce("df-erc-figure8", settings)["df-erc-figure8"]
    rows = read_csv(predictions.folder / "figures" / "consistency.csv")
    assert {row["row"] for row in rows} == {"DF-ERC", "-CRM(full)", "-CRM(zero)"}
    png, svg = pictures(predictions, "consistency")
    assert png.startswith(b"\x89PNG")
    assert "-CRM(full)" in svg


def test_similarity_of_normalised_vectors(make_settings, corpus_folder, tmp_path, read_csv):
    """The two alignments differ in psi."""
    settings = make_settings(
        corpus_folder, tmp_path / "out", seeds=1, rows=("DF-ERC", "DF-ERC, normalised")
    )
    predictions = reproduce("df-erc-figure6-normalised", settings)["df-erc-figure6-normalised"]
    rows = read_csv(predictions.folder / "figures" / "similarity.csv")
    psi = {
        name: [row["similarity"] for row in rows if row["row"] == name]
        for name in ("DF-ERC", "DF-ERC, normalised")
    }
    assert len(psi["DF-ERC"]) == len(psi["DF-ERC, normalised"]) > 1
    assert psi["DF-ERC"] != psi["DF-ERC, normalised"]


def test_scores_by_loss_weight(make_settings, corpus_folder, tmp_path, read_csv):
    settings = make_settings(corpus_folder, tmp_path / "out", rows=("0.0", "1.0"))
    predictions = reproduce("df-erc-figure9", settings)["df-erc-figure9"]
    rows = read_csv(predictions.folder / "figures" / "trend.csv")
    assert [row["alpha 3"] for row in rows] == ["0.0", "0.3", "1.0"]
    assert [row["paper"] for row in rows] == ["", "67.03", ""]
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in rows)
    assert "alpha 3" in pictures(predictions, "trend")[1]


def test_one_utterance_through_the_model(
    make_settings, corpus_folder, small_corpus, tmp_path, read_csv
):
    out = tmp_path / "out"
    settings = make_settings(corpus_folder, out, changes=MULTIEMO)
    predictions = reproduce("multiemo-figure6", settings)["multiemo-figure6"]
    rows = read_csv(predictions.folder / "figures" / "heat-maps.csv")
    assert list(dict.fromkeys(row["features"] for row in rows)) == [
        f"{step}_{m}" for step in ("unimodal", "context", "fused")
        for m in ("text", "audio", "video")
    ] + ["joint"]  # fmt: skip
    png, svg = pictures(predictions, "heat-maps")
    assert png.startswith(b"\x89PNG")
    assert "±" not in (predictions.folder / "report.md").read_text()  # one seed has no deviation

    plan = make_plan("multiemo-figure6", small_corpus, PlanOptions(changes=MULTIEMO, seeds=1))
    workspace = Workspace(root=out, source=settings.corpus, corpus=small_corpus)
    runs = workspace.runs(plan)
    reference, other = measure(plan, runs, hardware=settings.hardware).trained
    position = _find_fusion_example(reference, [other])
    key = reference.test[0].keys[position]
    utterance = next(
        u for c in small_corpus.splits["test"] for u in c.utterances if (c.id, u.id) == key
    )
    vector = small_corpus.features["text"].rows[key].vector
    assert len([row for row in rows if row["features"] == "unimodal_text"]) == len(vector)
    for text in (svg, (predictions.folder / "report.html").read_text()):
        assert utterance.text not in text


def test_request_selects_the_models(
    make_settings, corpus_folder, small_corpus, tmp_path, monkeypatch
):
    asked = []

    def watch(*arguments, hardware=None):
        asked.append(hardware)
        return predict_corpus(*arguments, hardware=hardware)

    monkeypatch.setattr(hidden_states, "predict_corpus", watch)
    monkeypatch.setattr(masking, "predict_corpus", watch)
    settings = make_settings(corpus_folder, tmp_path / "out", changes=MULTIEMO)
    reproduce("multiemo-figure6", settings)
    assert asked == [settings.hardware]
    (folder,) = {path.parent for path in (tmp_path / "out" / "runs").glob("*/seed-0/inside-*")}
    plan = make_plan("multiemo-figure6", small_corpus, settings.options)
    row = next(row for row in plan.trained if row.name == "MultiEMO")
    row = row.model_copy(update={"masked": MASKING})
    workspace = Workspace(root=settings.out, source=settings.corpus, corpus=small_corpus)
    run = workspace.runs(plan)["MultiEMO"]
    _read_trained_row(row, plan, run, hardware=settings.hardware)
    assert asked == [settings.hardware] * 2
    assert list(folder.glob("predictions-test-audio-absent-*"))


def test_heat_maps_are_arranged_by_step_and_modality():
    names = ["unimodal_text", "unimodal_audio", "fused_text", "fused_audio", "joint"]
    rows = [{"features": n, "position": i, "value": float(i)} for n in names for i in range(5)]
    with house_style():
        drawn = _draw_heat_maps(rows)
    titles = [axis.get_title(loc="left") for axis in drawn.figure.axes]
    assert titles == [
        "unimodal, text (5)", "fused, text (5)", "joint (5)",
        "unimodal, audio (5)", "fused, audio (5)", "",
    ]  # fmt: skip
    shown = drawn.figure.axes[0].images[0].get_array()
    assert shown.shape == (3, 3)
    assert np.isnan(np.ma.filled(shown, np.nan)).sum() == 4


def test_figures_are_not_clipped(tmp_path):
    with house_style():
        figure, (axis,) = new_figure(3, 2)
    axis.set_yticks([0, 1], ["a long name of a row of a table", "another"])
    axis.set_xlabel("below")
    Plot(name="x", title="x", caption="x", figure=figure, records=[]).save(tmp_path)
    box = figure.get_tightbbox()
    assert 0 <= box.x0 < box.x1 <= 3
    assert 0 <= box.y0 < box.y1 <= 2
