"""``mmerc analyze FOLDER --engine ray`` on a local Ray cluster of three nodes, two of which die."""

import os
import re
import threading
import time
import uuid
from collections import Counter

import pytest

from mmerc.executors.executor import Executor, count_workers

ray = pytest.importorskip("ray")
LINES = "Ann: You came!\nBen: I said I would.\nAnn: I see.\n"


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_worker_niceness", "0")  # the other tests would keep Ray from running
        head = {"num_cpus": 1, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            cluster.add_node(num_cpus=1, wait=False)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def models(analysis_models):
    return analysis_models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Seven transcripts, and one invalid file."""
    path = tmp_path_factory.mktemp("cluster")
    for number in range(1, 8):
        (path / f"talk-{number}.txt").write_text(LINES * number)
    (path / "bad.txt").write_bytes(b"\xff")
    return path


@pytest.fixture(scope="module")
def expected(folder, mmerc, models, tmp_path_factory):
    """The tables computed on one machine."""
    out = tmp_path_factory.mktemp("here") / "out"
    model = ("--model", models / "read", "--workers", 1)
    assert "7 analysed, 0 unchanged, 1 failed" in mmerc("analyze", folder, "--out", out, *model).out
    return tables(out)


def tables(out):
    written = {path.name: path.read_bytes() for path in out.glob("*.[cpm]*")}
    assert {"utterances.csv", "utterances.parquet", "codebook.md", "failed.csv"} <= written.keys()
    return written


def kill_a_node(cluster):
    node = cluster.worker_nodes.copy().pop()
    cluster.remove_node(node, allow_graceful=False)
    return node.node_id


def test_only_work_of_a_dead_node_is_repeated(cluster, tmp_path):
    folder = str(tmp_path)

    def prepare():
        return work

    def work(number):
        with open(f"{folder}/{number}-{uuid.uuid4()}", "w"):
            pass
        node = ray.get_runtime_context().get_node_id()
        while not os.path.exists(f"{folder}/alive-{node}"):  # noqa: PTH110, it travels
            time.sleep(0.02)
        return number

    def kill():
        while len(list(tmp_path.iterdir())) < 3:
            time.sleep(0.02)
        alive = {node["NodeID"] for node in ray.nodes()} - {kill_a_node(cluster)}
        for node in alive:
            (tmp_path / f"alive-{node}").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    executor = Executor(jobs=count_workers("ray"), engine="ray")
    assert executor.jobs == 3
    outcomes = list(executor.stream(prepare, range(8), lost=lambda number: f"lost {number}"))
    killer.join()
    assert sorted(outcomes) == list(range(8))
    starts = Counter(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert sorted(starts.pop(str(number)) for number in range(8)) == [1] * 7 + [2]


def test_study_survives_a_dying_node(cluster, mmerc, folder, expected, models, tmp_path):
    out = tmp_path / "out"
    arguments = ("analyze", folder, "--out", out, "--model", models / "read", "--engine", "ray")

    def kill():
        while not list(out.glob("recordings/*/recording.json")):
            time.sleep(0.02)
        kill_a_node(cluster)

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = mmerc(*arguments)
    killer.join()
    # results stored by a node that died before reporting them count as finished
    assert re.search("8 recordings: [67] analysed, [01] unchanged, 1 failed", outcome.out)
    assert tables(out) == expected
    places = folder.as_uri(), "--out", (tmp_path / "far").as_uri()
    assert "7 analysed, 0 unchanged, 1 failed" in mmerc("analyze", *places, *arguments[4:]).out
    far = tables(tmp_path / "far")
    assert f"{folder.as_uri()}/bad.txt" in far.pop("failed.csv").decode()
    assert far == {name: expected[name] for name in far}
