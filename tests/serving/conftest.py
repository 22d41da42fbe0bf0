"""A real server, and the small text-only model that it serves."""

from dataclasses import replace

import pytest

from mmerc.labels import MELD_7
from mmerc.models.set_scores import ModalityScores, ScoreGrid, SetScores
from short_films import cues, cut, save_model

for needed in ("fastapi", "requests"):
    pytest.importorskip(needed, reason="the extra serve is not installed")

import av  # noqa: E402
from live_host import Host  # noqa: E402
from server_process import Server, serving, until  # noqa: E402

SMALL_LIMITS = ("--max-upload-mb", "1", "--max-jobs", "3", "--max-live-sessions", "3")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "words"
    save_model(folder, widths={}, extractors={})
    grid = ScoreGrid(count=20, grid=tuple(number / 20 for number in range(1, 21)))
    scores = ModalityScores(method="lac", every=grid, by_label=(grid,) * len(MELD_7))
    SetScores(source="20 lines", by_modalities={"text": scores}).write(folder)
    return folder


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    return cut("photograph", tmp_path_factory.mktemp("film") / "scene.mp4", seconds=8.0)


@pytest.fixture(scope="session")
def subtitles(film):
    return cues("photograph", film.with_suffix(".srt"), count=2)


@pytest.fixture(scope="session")
def sound(film):
    """Five seconds of the video's audio in the format of live sessions: 16 bits, 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16000)
    with av.open(str(film)) as container:
        parts = [p for frame in container.decode(audio=0) for p in resampler.resample(frame)]
    return b"".join(part.to_ndarray().tobytes() for part in parts)[: 5 * 32000]


@pytest.fixture(scope="session")
def server(tmp_path_factory, model, program):
    """A server with small limits, for tests that do not change its state."""
    folder = tmp_path_factory.mktemp("server") / "jobs"
    with serving(program, folder, model, *SMALL_LIMITS, "--live-model", model) as started:
        yield started


@pytest.fixture
def served(tmp_path, model, program):
    """A function that starts a server for one test."""
    running = []

    def start(*options, **environment):
        folder = tmp_path / f"own-{len(running)}"
        running.append(Server(program, folder, model, *options, **environment))
        return running[-1]

    yield start
    for started in running:
        started.kill()


@pytest.fixture(scope="session")
def host(tmp_path_factory, model):
    started = Host(tmp_path_factory.mktemp("live"), model)
    yield started
    started.server.should_exit = True
    started.thread.join()


@pytest.fixture
def limits(host):
    """A function that changes limits for the sessions of a test."""
    before = host.live.limits

    def change(**values):
        host.live.limits = replace(before, **values)

    yield change
    host.live.limits = before


@pytest.fixture(autouse=True)
def leave_no_session(request):
    """Sessions whose clients have left end immediately instead of after a minute."""
    yield
    if "host" in request.fixturenames:
        live = request.getfixturevalue("host").live
        for task in list(live.tasks):
            for session in list(live.sessions.values()):
                task.get_loop().call_soon_threadsafe(session.end, "client")
        until(lambda: live.running == 0)
