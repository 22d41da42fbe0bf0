"""``mmerc analyze FOLDER --engine ray`` on a local Ray cluster."""

import pytest

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_a_cluster_writes_the_same_tables(cluster, analyze, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("ann", "ben"):
        (folder / f"{name}.txt").write_text("Ann: You came!\nBen: I said I would.\nAnn: I see.\n")
    (folder / "bad.mp4").write_text("no film")
    for engine in ("local", "ray"):
        outcome = analyze(folder, "--out", tmp_path / engine, "--engine", engine)
        assert outcome.out.startswith("3 recordings: 2 analysed, 0 unchanged, 1 failed")
    here, far = (
        {path.name: path.read_bytes() for path in (tmp_path / engine).glob("*.[cpm]*")}
        for engine in ("local", "ray")
    )
    assert {"utterances.csv", "utterances.parquet", "codebook.md", "failed.csv"} <= here.keys()
    assert here == far
