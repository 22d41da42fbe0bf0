"""Seeds trained in parallel equal seeds trained in sequence, bit for bit."""

from run_files import history, weights

from mmerc.cli.output import silent
from mmerc.executors.executor import Executor
from mmerc.training.cache import RunCache
from mmerc.training.run import train_run


def test_parallel_seeds_equal_sequential_ones(tiny_recipe, small_corpus, tmp_path):
    recipe = tiny_recipe(modality_dropout=0.2)
    results = [
        train_run(
            recipe, small_corpus, tmp_path / f"{jobs}", seeds=2, report=silent,
            executor=Executor(jobs=jobs),
            cache=RunCache(tmp_path / f"cache {jobs}"),
        )
        for jobs in (1, 2)
    ]  # fmt: skip
    assert results[0] == results[1]
    for seed in (0, 1):
        assert weights(tmp_path / "1", seed) == weights(tmp_path / "2", seed)
        assert history(tmp_path / "1", seed) == history(tmp_path / "2", seed)
    one, two = (
        sorted((t.key, t.weighted_f1) for t in RunCache(tmp_path / f"cache {jobs}").tries())
        for jobs in (1, 2)
    )
    assert one == two
