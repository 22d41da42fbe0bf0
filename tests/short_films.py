"""Short clips of the example videos, and a small random model that analyses them."""

import resource
from contextlib import contextmanager
from pathlib import Path

import av
import torch

from mmerc.labels import MELD_7
from mmerc.models.registry import create_model, model_class
from mmerc.models.training_data import TrainedOn
from mmerc.nn.text_encoder import TextEncoderConfig

EXAMPLES = Path(__file__).parent.parent / "examples"
WIDTHS = {"audio": 1582, "video": 342}
EXTRACTORS = {"audio": "is10", "video": "denseface"}


def save_model(
    folder, *, name="concatenation", encoder="minilm-l6", widths=WIDTHS, extractors=None
):
    """A small random model with the inputs of the default one: MiniLM, IS10, denseface."""
    text = None if encoder is None else TextEncoderConfig(name=str(encoder), tuning="frozen")
    modalities = [*widths, *(["text"] if encoder else [])]
    config = model_class(name).config_class(name=name, text_encoder=text, modalities=modalities)
    torch.manual_seed(0)
    model = create_model(config, labels=MELD_7, widths=widths)
    predictions = EXTRACTORS if extractors is None else extractors
    trained_on = TrainedOn(corpus="none", conversations=frozenset(), extractors=predictions)
    model.save_pretrained(folder, compact=True, trained_on=trained_on)
    return folder


def cut(name, path, *, seconds, kinds=("video", "audio")):
    """The first seconds of an example video, without re-encoding."""
    with av.open(str(EXAMPLES / f"{name}.mp4")) as source, av.open(str(path), "w") as target:
        streams = [stream for stream in source.streams if stream.type in kinds]
        copies = {s.index: target.add_stream_from_template(s) for s in streams}
        for packet in source.demux(streams):
            if packet.dts is not None and packet.pts * packet.time_base < seconds:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path


def cues(name, path, *, count):
    """The first cues of an example video's subtitles."""
    text = (EXAMPLES / f"{name}.srt").read_text()
    blocks = [block.strip() for block in text.split("\n\n")[:count]]
    path.write_text("\n\n".join(blocks) + "\n")
    return path


@contextmanager
def small_disk(size):
    """Limit the size of files to ``size`` bytes meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
