"""Every command on small inputs, and the environment it runs in."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from program import PATIENCE


@dataclass(frozen=True)
class Inputs:
    """Folder of the inputs, and a new folder for a command's output."""

    folder: Path
    out: Path

    def arguments(self, name):
        """Arguments of the program for a command on these inputs."""
        files = {path.name.replace(".", "_"): path for path in self.folder.iterdir()}
        arguments = (COMMANDS | {"serve": SERVE})[name].format(
            out=self.out, inputs=self.folder, **files
        )
        return arguments.split()


COMMANDS = {
    "analyze": "analyze {scene_mp4} --model {heard} --workers 1 --out {out}",
    "analyze with subtitles": (
        "analyze {scene_mp4} --subtitles {scene_srt} --model {heard} --workers 1 --out {out}"
    ),
    "analyze live": "analyze {scene_mp4} --live --workers 1 --out {out}",
    "prepare": "prepare manifest {vectors_jsonl} --out {out}/corpus",
    "extract": (
        "extract {films} --media {inputs} --audio is10 --video denseface --workers 2 --json"
    ),
    "encode-text": "encode-text --corpus {films} --model minilm-l6 --out {out}/text",
    "train": "train --recipe {small_yaml} --corpus {vectors} --out {out}/run",
    "evaluate": "evaluate {run} --json",
    "predict": "predict {talk_txt} --model {run_text} --format text",
    "export": "export {run} --onnx {out}/model.onnx",
    "reproduce": (
        "reproduce df-erc-table3 --corpus {vectors} --quick --row T --out {out}/reproduction"
    ),
    "licences": "licences",
}
SERVE = "serve --model {run_text} --keep-minutes 5"


def environment(**own):
    """Environment variables of a fresh login, and the path of the program under test."""
    needed = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    own = {name: str(value) for name, value in own.items()}
    return needed | {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"} | own


def wait_until(condition):
    """Poll until the condition is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.2)
    raise AssertionError("it never came true")
