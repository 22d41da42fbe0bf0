import fcntl
import signal
import time
from dataclasses import replace

import pytest
from run_files import files_under, history, seed_file, weights

from mmerc.errors import InputError, MmercError
from mmerc.training.folder import _TRAINING_STATE
from mmerc.training.hardware import Hardware
from mmerc.training.run import train_run
from mmerc.training.trainer import train_seed

VARIANTS = {
    "plain": {},
    "dropout and patience": {"modality_dropout": 0.3, "patience": 1, "epochs": 12},
    "averaging": {"weight_averaging": 0.9},
    "shares": {
        "averaging_share": 0.3,
        "warmup_share": 0.2,
        "minimum_steps": 20,
        "epochs": 2,
        "batch_conversations": None,
        "batch_utterances": 9,
    },
    "steps": {"schedule": "stepwise", "decay_epochs": 1, "decay_factor": 0.5, "optimizer": "adam"},
    "plateau": {"schedule": "plateau", "decay_epochs": 1, "decay_factor": 0.1, "epochs": 6},
}


class Stop(Exception):
    pass


def stopping(fragment):
    """A report function that interrupts training at a line containing ``fragment``."""

    def report(line):
        if fragment in line:
            raise Stop

    return report


@pytest.mark.parametrize("training", VARIANTS.values(), ids=VARIANTS)
def test_run_interrupted_in_any_epoch_equals_an_uninterrupted_one(train, tmp_path, training):
    train(tmp_path / "whole", **training)
    for epoch in range(1, len(history(tmp_path / "whole")) + 1):
        with pytest.raises(Stop):
            train(tmp_path / "broken", report=stopping(f"epoch {epoch}/"), resume=True, **training)
    train(tmp_path / "broken", resume=True, **training)
    assert history(tmp_path / "broken") == history(tmp_path / "whole")
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert seed_file(tmp_path / "broken") == seed_file(tmp_path / "whole")


@pytest.mark.parametrize("training", VARIANTS.values(), ids=VARIANTS)
def test_fully_trained_seed_is_not_trained_further(tiny_recipe, small_corpus, tmp_path, training):
    recipe = tiny_recipe(**training)

    def run(message):
        settings = {"seed": 0, "hardware": Hardware(), "report": message.append}
        return train_seed(recipe, small_corpus, tmp_path, **settings)

    message, second_report = [], []
    trained = run(message)
    again = run(second_report)
    assert ("patience" in training) == (len(message) < recipe.training.epochs)
    assert second_report == []
    assert again.epoch == trained.epoch
    assert again.valid_weighted_f1 == trained.valid_weighted_f1
    state = again.model.state_dict()
    assert all(tensor.equal(state[name]) for name, tensor in trained.model.state_dict().items())


def wait_for_epochs(process, directory, count):
    """Wait until the state of an epoch is saved and ``count`` epochs are finished."""
    until = time.monotonic() + 100
    while not (directory / "resume.safetensors").exists() or lines_of(directory) <= count:
        assert process.poll() is None, process.stderr.read_text()
        assert time.monotonic() < until, "no epoch was finished in time"
        time.sleep(0.01)


def lines_of(directory):
    path = directory / "history.csv"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_stopped_then_killed_run_equals_an_uninterrupted_one(on_disk, program, train, tmp_path):
    training = {"epochs": 40, "modality_dropout": 0.3, "patience": 39}
    arguments = on_disk(**training)
    seed = tmp_path / "run" / "seed-0"
    process = program.start(*arguments, stderr=tmp_path / "stderr")
    wait_for_epochs(process, seed, 2)
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 1
    message = process.stderr.read_text().splitlines()[-1]
    assert message.startswith("mmerc: ")
    assert "training was stopped; to resume, run the same command again" in message
    done = lines_of(seed)
    process = program.start(*arguments, "--resume", stderr=tmp_path / "stderr")
    wait_for_epochs(process, seed, done + 1)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (seed / "seed.json").exists()
    result = train(tmp_path / "run", resume=True, **training)
    whole = train(tmp_path / "whole", **training)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert seed_file(tmp_path / "run") == seed_file(tmp_path / "whole")
    assert result == whole


def test_ctrl_c_prints_one_sentence(train, tmp_path):
    def report(line):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(MmercError, match="training was stopped; to resume, run the same"):
            train(tmp_path / "run", report=report)
    finally:
        signal.signal(signal.SIGINT, before)


def test_finished_seeds_are_not_trained_again(train, tmp_path):
    train(tmp_path / "run", seeds=1)
    before = files_under(tmp_path / "run" / "seed-0")
    message = []
    result = train(tmp_path / "run", seeds=2, resume=True, report=message.append)
    assert files_under(tmp_path / "run" / "seed-0") == before
    assert message[0] == "seed 0: already finished"
    assert [seed["seed"] for seed in result["seeds"]] == [0, 1]
    assert train(tmp_path / "run", seeds=2, resume=True) == result


def test_kill_after_a_finished_seed_leaves_no_training_state(train, tmp_path):
    train(tmp_path / "run", seeds=1)
    before = files_under(tmp_path / "run" / "seed-0")
    (tmp_path / "run" / "seed-1").mkdir()
    for seed in (0, 1):
        for name in _TRAINING_STATE:
            (tmp_path / "run" / f"seed-{seed}" / name).write_bytes(b"of seed %d" % seed)
    with pytest.raises(InputError, match="the resume state is truncated"):  # of seed 1
        train(tmp_path / "run", seeds=2, resume=True)
    assert files_under(tmp_path / "run" / "seed-0") == before
    assert not [path for path in before if path.name in _TRAINING_STATE]


def test_run_is_not_overwritten(finished, train):
    before = files_under(finished[0])
    with pytest.raises(InputError, match="contains a run already; pass --resume"):
        train(finished[0])
    with pytest.raises(InputError, match="was started with another recipe; choose another --out"):
        train(finished[0], resume=True, epochs=4)
    assert files_under(finished[0]) == before


def test_run_is_not_continued_with_another_corpus(finished, tiny_recipe, small_corpus):
    other = replace(
        small_corpus, features={**small_corpus.features, "audio": scaled_corpus(small_corpus)}
    )
    before = files_under(finished[0])
    with pytest.raises(InputError, match="was started with another fingerprints"):
        train_run(tiny_recipe(), other, finished[0], resume=True)
    with pytest.raises(InputError, match="was started with another corpus"):
        train_run(tiny_recipe(), replace(small_corpus, name="big"), finished[0], resume=True)
    assert files_under(finished[0]) == before


def scaled_corpus(corpus):
    table = corpus.features["audio"]
    rows = {
        key: row if row.vector is None else replace(row, vector=row.vector * 2)
        for key, row in table.rows.items()
    }
    return replace(table, rows=rows)


def test_second_process_is_refused(train, tmp_path):
    (tmp_path / "run").mkdir()
    with open(tmp_path / "run" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(MmercError, match="another process is at work in this folder"):
            train(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    train(tmp_path / "run", epochs=1)


def test_folder_with_other_files_is_not_touched(train, tmp_path):
    (tmp_path / "recipe.yaml").write_text("mine")
    with pytest.raises(InputError, match="contains other files, not a run of mmerc"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_partial_files_of_a_killed_run_are_removed_on_resume(train, tmp_path):
    train(tmp_path / "run", seeds=1)
    half = tmp_path / "run/seed-0/.model.abc123"
    (half / "text_encoder").mkdir(parents=True)
    (tmp_path / "run/seed-0/.history.csv.xyz").write_text("epo")
    (tmp_path / "run/.seed-1.abc/whole").mkdir(parents=True)
    train(tmp_path / "run", seeds=1, resume=True)
    assert not [path for path in (tmp_path / "run").rglob(".*") if path.name != ".lock"]
