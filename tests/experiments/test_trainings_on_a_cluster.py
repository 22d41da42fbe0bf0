"""Trainings on a local Ray cluster, and the effect of one failure on the others."""

import pytest
from very_small import SMALL

from mmerc.evaluation.predictions import Predictions
from mmerc.executors.executor import Executor
from mmerc.experiments.reproduction.plan import PlanOptions, make_plan
from mmerc.experiments.reproduction.reproduce import reproduce
from mmerc.experiments.reproduction.workspace import _folder_name

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with pytest.MonkeyPatch.context() as patched:
        # by default workers have low priority and hardly run on a busy machine
        patched.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def test_cluster_training_equals_local_training(
    finished, make_settings, corpus_folder, small_corpus, tmp_path
):
    executor = Executor(jobs=2, engine="ray")
    settings = make_settings(
        corpus_folder, tmp_path / "out", seeds=1, executor=executor, use_cache=False
    )
    reproduce("df-erc-figure11", settings)
    plan = make_plan("df-erc-figure11", small_corpus, PlanOptions(changes=SMALL))
    name = _folder_name(plan.recipes["DF-ERC"])
    near, far = (
        Predictions.load(out / "runs" / name / "seed-0" / "predictions-test.parquet")
        for out in (finished, tmp_path / "out")
    )
    assert (near.probabilities == far.probabilities).all()
