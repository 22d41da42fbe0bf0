"""Time and memory of an epoch of DF-ERC for 1, 2, 4 and 8 times MELD, each in its own process.

Processor time includes everything that a training does: examples, statistics, an epoch,
validation, saving. `--figure FOLDER` draws it there as training-scale.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench_cached_epoch import UTTERANCES, made_up_corpus
from mmerc.experiments.plots.style import Plot, Records, house_style, line_style, new_figure
from mmerc.training.hardware import Hardware
from mmerc.training.recipe_files import load_recipe
from mmerc.training.trainer import train_seed


def measure(times: int) -> dict[str, float]:
    """Train an epoch on a multiple of MELD: processor seconds, peak memory in GB."""
    corpus = made_up_corpus(times)
    settings = ["model.text_encoder=null", "training.epochs=1", "training.minimum_steps=1"]
    recipe = load_recipe("df-erc-meld", [*settings, "training.precision=32-true"])
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train_seed(
            recipe, corpus, Path(folder), seed=0, hardware=Hardware(), report=lambda line: None
        )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "times": times,
        "utterances": times * UTTERANCES,
        "processor seconds": round(time.process_time() - started, 1),
        "memory in GB": round(memory, 2),
    }


def draw(records: Records) -> Plot:
    """Plot seconds and gigabytes by number of utterances."""
    with house_style():
        figure, axes = new_figure(7.0, 2.8, 1, 2)
        utterances = [record["utterances"] / 1000 for record in records]
        for axis, name in zip(axes, ("processor seconds", "memory in GB"), strict=True):
            axis.plot(utterances, [record[name] for record in records], **line_style(0))
            axis.set_title(name)
            axis.set_xlabel("thousand utterances")
            axis.set_ylim(bottom=0)
    caption = "An epoch of DF-ERC on stored vectors, for 1, 2, 4 and 8 times MELD."
    return Plot(
        name="training-scale", title="Scale", caption=caption, figure=figure, records=records
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--figure", type=Path, help="folder to draw the figure in")
    arguments = parser.parse_args()
    records = []
    for times in arguments.sizes:  # a new process each: memory is the largest of a process
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            records.append(pool.submit(measure, times).result())
        print(records[-1], flush=True)
    first, last = records[0], records[-1]
    grown = last["processor seconds"] / first["processor seconds"]
    print(f"{last['times'] / first['times']:.0f} times the work takes {grown:.1f} times as long")
    if arguments.figure is not None:
        draw(records).save(arguments.figure)


if __name__ == "__main__":
    main()
