"""Targets from an installed package, and from a file."""

import pytest
import yaml

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.experiments.reproduction import catalogue
from mmerc.experiments.reproduction.catalogue import find_target, list_targets
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.reproduce import reproduce

TARGETS = {
    "paper": "A paper of our own",
    "corpora": {"other": {"compare": "meld"}},
    "encoders": {},
    "systems": {"s": {"other": {"cached": {"recipe": "df-erc-composed-cached"}}}},
    "targets": {
        "own-sizes": {
            "title": "Sizes", "shows": "x", "plot": "test-sizes", "baseline": "DF-ERC",
            "system": "s", "rows": [{"name": "DF-ERC"}],
        },
        "own-table": {
            "title": "A table", "shows": "x", "plot": "table", "baseline": "DF-ERC",
            "system": "s", "rows": [{"name": "DF-ERC"}],
        },
    },
}  # fmt: skip
FIGURES = """
from mmerc.experiments.plots.style import Plot, new_figure


def test_sizes(results):
    figure, (axis,) = new_figure(3, 2)
    sizes = [len(predictions) for predictions in results.baseline.test]
    axis.bar(range(len(sizes)), sizes)
    records = [{"seed": seed, "size": size} for seed, size in enumerate(sizes)]
    return Plot(name="sizes", title="Sizes", caption="Sizes.", figure=figure, records=records)
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package with targets, in the layout of pip."""

    def call(name, targets=TARGETS, *, figures=FIGURES, value=None):
        site = tmp_path / "site"
        package = site / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        if targets is not None:
            (package / "targets.yaml").write_text(yaml.safe_dump(targets))
        if figures is not None:
            (package / "figures.py").write_text(figures)
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[mmerc.targets]\n{name} = {value or name}\n")
        monkeypatch.syspath_prepend(site)
        catalogue._plugin_targets.cache_clear()

    yield call
    monkeypatch.undo()
    catalogue._plugin_targets.cache_clear()


def test_targets_of_a_package_are_reproduced(
    install, make_settings, corpus_folder, tmp_path, read_csv
):
    install("own_targets_one")
    assert list_targets()["own-sizes"] == ("Sizes", "own_targets_one")
    settings = make_settings(corpus_folder, tmp_path / "out", seeds=2)
    report = reproduce("own-sizes", settings)["own-sizes"]
    records = read_csv(report.folder / "figures" / "sizes.csv")
    assert [(record["seed"], record["size"]) for record in records] == [("0", "17"), ("1", "17")]
    assert "A paper of our own" in (report.folder / "report.md").read_text()
    assert (report.folder / "figures" / "curves.svg").is_file()


def test_plots_are_looked_up_in_the_package_first(install, small_corpus):
    figures = FIGURES.replace("test_sizes", "table")
    install("own_targets_two", figures=figures)
    (draw,) = make_plan("own-table", small_corpus, PlanOptions()).plots
    assert draw.__module__ == "own_targets_two.figures"
    assert len(make_plan("df-erc-table2", small_corpus, PlanOptions()).plots) == 2


def test_targets_without_figures_use_the_shared_plots(install, small_corpus):
    install("own_targets_three", figures=None)
    plots = make_plan("own-table", small_corpus, PlanOptions()).plots
    assert [draw.__name__ for draw in plots] == ["scores", "differences"]
    with pytest.raises(UsageError, match="own_targets_three use the plot 'test-sizes', which does"):
        make_plan("own-sizes", small_corpus, PlanOptions())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"targets": None}, InputError, r"own_targets_\w+: no targets\.yaml"),
        ({"value": "own_targets_none"}, MmercError, "cannot be loaded"),
        ({"value": "own_targets_{}.figures:test_sizes"}, MmercError, "is not a module"),
        ({"targets": {"paper": "x"}}, UsageError, "corpora"),
        (
            {"targets": TARGETS | {"targets": {"df-erc-table1": TARGETS["targets"]["own-table"]}}},
            MmercError,
            r"own_targets_\w+ adds the target 'df-erc-table1', which mmerc has already",
        ),
    ],
)
def test_broken_package_does_not_hide_built_in_targets(install, changes, error, message, request):
    name = f"own_targets_{abs(hash(request.node.name))}"
    if "value" in changes:
        changes = {"value": changes["value"].format(name.removeprefix("own_targets_"))}
    install(name, **changes)
    with pytest.raises(error, match=message):
        list_targets()
    assert find_target("df-erc-table2").origin == "mmerc"


def test_targets_from_a_file(make_settings, corpus_folder, tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(TARGETS))
    settings = make_settings(corpus_folder, tmp_path / "out", seeds=1, targets=path)
    report = reproduce("own-table", settings)["own-table"]
    assert (report.folder / "figures" / "scores.png").is_file()
    with pytest.raises(UsageError, match="'df-erc-table2'; choose own-sizes, own-table, or all"):
        reproduce("df-erc-table2", settings)
    with pytest.raises(UsageError, match=r"own\.yaml use the plot 'test-sizes'"):
        reproduce("own-sizes", settings)


def test_private_functions_are_not_plots(small_corpus, tmp_path):
    for plot in ("error-bins", "-error-bins", "np", "pie"):
        target = TARGETS["targets"]["own-table"] | {"plot": plot}
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(TARGETS | {"targets": {"own-table": target}}))
        with pytest.raises(UsageError, match="does not exist; choose table, trend, decisions"):
            make_plan("own-table", small_corpus, PlanOptions(targets=path))


def test_built_in_figures_are_shared(small_corpus, tmp_path):
    target = TARGETS["targets"]["own-table"] | {"plot": "contribution-error"}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(TARGETS | {"targets": {"own-table": target}}))
    (draw,) = make_plan("own-table", small_corpus, PlanOptions(targets=path)).plots
    assert draw.__name__ == "contribution_error"
