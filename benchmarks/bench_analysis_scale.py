"""Time and memory of an analysis: audio of 10 to 120 minutes, and 1 to 200 speakers.

    python benchmarks/bench_analysis_scale.py --figure docs/images

The audio of examples/photograph.mp4 is repeated. With its subtitles, which name the speakers,
voices and words are read, and speech is compared with the cues. With its words and their times
instead (CTM), speakers are also found by their voices. For the number of speakers, the subtitles
of 30 minutes name them in turn. Processor time and memory are those of all processes together,
including their start (`bench_analyze.py`). `--figure FOLDER` draws them there as
analysis-scale.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pysubs2

from bench_analyze import analysed, repeated, take_sound
from mmerc.experiments.plots.style import Plot, Records, house_style, line_style, new_figure

SUBTITLES, WORDS, SPEAKERS = "with subtitles", "with words, speakers found", "speakers"
_COPY_SECONDS = 48  # about the duration of the example
_MINUTES_OF_SPEAKERS = 30


def measure(series: str, size: int, folder: Path) -> dict[str, float | str]:
    """Analyse sound; ``size`` is its minutes, or the number of speakers."""
    minutes = _MINUTES_OF_SPEAKERS if series == SPEAKERS else size
    film, subtitles, length = repeated(round(minutes * 60 / _COPY_SECONDS), folder)
    option, given = "--subtitles", subtitles
    if series == WORDS:
        option, given = "--words", write_words(subtitles)
    elif series == SPEAKERS:
        given = name_speakers(subtitles, size)
    cost = analysed(take_sound(film), option, given, "--out", folder / "out")
    return {
        "series": series,
        "size": size if series == SPEAKERS else round(length / 60, 1),
        "processor seconds": round(cost.processors, 1),
        "memory in GB": round(cost.together / 1024, 2),
    }


def write_words(subtitles: Path) -> Path:
    """Write the words of subtitles as CTM, spread evenly over each cue."""
    path, lines = subtitles.with_suffix(".ctm"), []
    for cue in pysubs2.load(str(subtitles)):
        words = cue.plaintext.split()
        step = (cue.end - cue.start) / 1000 / max(len(words), 1)
        for number, word in enumerate(words):
            lines.append(f"talk 1 {cue.start / 1000 + number * step:.3f} {step:.3f} {word}\n")
    path.write_text("".join(lines))
    return path


def name_speakers(subtitles: Path, speakers: int) -> Path:
    """Assign the cues to the given number of speakers in turn."""
    cues = pysubs2.load(str(subtitles))
    for number, cue in enumerate(cues):
        cue.text = f"Speaker{number % speakers + 1}: {cue.plaintext.rpartition(': ')[2]}"
    path = subtitles.with_stem(f"{subtitles.stem}-{speakers}")
    cues.save(str(path))
    return path


def draw(records: Records) -> Plot:
    """Plot seconds and gigabytes by minutes and by number of speakers."""
    with house_style():
        figure, axes = new_figure(7.0, 5.0, 2, 2)
        for row, names in ((axes[:2], (SUBTITLES, WORDS)), (axes[2:], (SPEAKERS,))):
            for axis, key in zip(row, ("processor seconds", "memory in GB"), strict=True):
                for number, series in enumerate(names):
                    part = [record for record in records if record["series"] == series]
                    sizes, values = ([record[k] for record in part] for k in ("size", key))
                    axis.plot(sizes, values, label=series, **line_style(number))
                axis.set_title(key)
                axis.set_xlabel("speakers" if names == (SPEAKERS,) else "minutes of sound")
                axis.set_ylim(0, 1.15 * max(r[key] for r in records if r["series"] in names))
        axes[1].legend(loc="lower right")
    caption = "Analysis of audio by duration, and of 30 minutes by number of speakers."
    return Plot(
        name="analysis-scale", title="Scale", caption=caption, figure=figure, records=records
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subtitles", type=int, nargs="*", default=[10, 30, 60, 120])
    parser.add_argument("--words", type=int, nargs="*", default=[10, 30, 60, 120])
    parser.add_argument("--speakers", type=int, nargs="*", default=[1, 10, 50, 200])
    parser.add_argument("--figure", type=Path, help="folder to draw the figure in")
    arguments = parser.parse_args()
    sizes = {
        SUBTITLES: arguments.subtitles,
        WORDS: arguments.words,
        SPEAKERS: arguments.speakers,
    }
    records = []
    for series, size in ((name, size) for name in sizes for size in sizes[name]):
        with tempfile.TemporaryDirectory() as folder:
            records.append(measure(series, size, Path(folder)))
        print(records[-1], flush=True)
    if arguments.figure is not None:
        draw(records).save(arguments.figure)


if __name__ == "__main__":
    main()
