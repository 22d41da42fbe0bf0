"""``mmerc evaluate-speakers`` on given turns and on turns that it detects."""

import numpy as np
import pytest
import soundfile

pytest.importorskip("pyannote.metrics")

REFERENCE = """SPEAKER one 1 0.0 4.0 <NA> <NA> Mara <NA> <NA>
SPEAKER one 1 4.0 4.0 <NA> <NA> Tom <NA> <NA>
SPEAKER two 1 1.0 2.0 <NA> <NA> Mara <NA> <NA>
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("one", "two"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(16000 * 8, np.float32), 16000)
    (tmp_path / "reference.rttm").write_text(REFERENCE)
    return tmp_path


def test_given_turns_of_several_recordings(mmerc, folder):
    (folder / "turns.rttm").write_text(REFERENCE.replace("Tom", "Mara"))
    recordings = [str(folder / "one.wav"), str(folder / "two.wav")]
    files = ["--reference", str(folder / "reference.rttm"), "--turns", str(folder / "turns.rttm")]
    outcome = mmerc("evaluate-speakers", *recordings, *files, "--collar", "0", "--json")
    assert outcome.code == 0, outcome.err
    one, two, total = outcome.json
    assert one["rate"] == pytest.approx(50)
    assert (one["speakers"], one["reference_speakers"]) == (1, 2)
    assert two["rate"] == pytest.approx(0)
    assert total["rate"] == pytest.approx(40)


def test_remarks_on_the_turns_are_passed_on(mmerc, folder):
    (folder / "turns.rttm").write_text(REFERENCE.replace("Tom", "<NA>"))
    files = ["--reference", str(folder / "reference.rttm"), "--turns", str(folder / "turns.rttm")]
    outcome = mmerc(
        "evaluate-speakers", *[str(folder / f"{n}.wav") for n in ("one", "two")], *files
    )
    assert outcome.code == 0
    (remark,) = outcome.err.splitlines()
    assert remark == "note: turns.rttm, line 2: no speaker is named."


def test_turns_are_detected_if_not_given(mmerc, folder):
    (folder / "reference.rttm").write_text(REFERENCE.splitlines()[2])
    outcome = mmerc("evaluate-speakers", str(folder / "two.wav"),
                  "--reference", str(folder / "reference.rttm"))  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "100.00" in outcome.out
    assert "0 of 1" in outcome.out


def test_recording_missing_from_the_reference(mmerc, folder):
    recordings = [str(folder / "one.wav"), str(folder / "three.wav")]
    outcome = mmerc("evaluate-speakers", *recordings, "--reference", str(folder / "reference.rttm"))
    assert outcome.code == 1
    assert "it contains no speaker turn of 'three'" in outcome.err
