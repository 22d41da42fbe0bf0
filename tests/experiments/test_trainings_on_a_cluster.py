"""Trainings on a local Ray cluster, and what becomes of the others when one fails."""

import os
import signal
import time

import pytest
from very_small import SMALL

from mmerc.errors import InputError, MmercError
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.cluster import run_on_cluster
from mmerc.experiments.execution import Workers
from mmerc.experiments.plan import Choice, folder_name, make_plan
from mmerc.experiments.reproduce import reproduce

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module", autouse=True)
def cluster():
    with pytest.MonkeyPatch.context() as patched:
        # workers give way to everybody else by default, and hardly run on a busy machine
        patched.setenv("RAY_worker_niceness", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


def test_results_come_in_the_order_of_the_items():
    def double(number):
        return 2 * number

    assert run_on_cluster(double, range(5), jobs=2) == [0, 2, 4, 6, 8]
    assert run_on_cluster(double, [], jobs=2) == []


def test_a_failure_is_the_same_sentence_as_here(tmp_path):
    folder = str(tmp_path)

    def fail(number):
        if number == 0:
            open(f"{folder}/failing", "w").close()
            raise InputError("disk", "cannot be written (no space left on device)", "free space")
        while not os.path.exists(f"{folder}/failing"):  # noqa: PTH110, it travels without pathlib
            time.sleep(0.01)
        time.sleep(2)  # under way while the failure is heard of
        with open(f"{folder}/{number}", "w") as file:
            file.write("done")

    with pytest.raises(InputError, match=r"^disk: cannot be written \(no space left"):
        run_on_cluster(fail, range(6), jobs=2)
    assert {path.name for path in tmp_path.iterdir()} == {"failing", "1"}


def test_a_worker_that_is_killed():
    def die(number):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(MmercError, match="lost with its worker"):
        run_on_cluster(die, [1], jobs=1)


def test_a_cluster_trains_the_same(finished, make_request, corpus_folder, small_corpus, tmp_path):
    workers = Workers(jobs=2, engine="ray")
    request = make_request(
        corpus_folder, tmp_path / "out", seeds=1, workers=workers, use_cache=False
    )
    reproduce("df-erc-figure11", request)
    plan = make_plan("df-erc-figure11", small_corpus, Choice(changes=SMALL))
    name = folder_name(plan.recipes["DF-ERC"])
    near, far = (
        Predictions.load(out / "runs" / name / "seed-0" / "predictions-test.parquet")
        for out in (finished, tmp_path / "out")
    )
    assert (near.probabilities == far.probabilities).all()
