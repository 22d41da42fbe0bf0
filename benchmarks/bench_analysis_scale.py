"""Time and memory of an analysis: sound of 10 to 120 minutes, and 1 to 200 speakers.

    python benchmarks/bench_analysis_scale.py --figure docs/images

The sound of examples/photograph.mp4 is repeated, and its words with their times are given as CTM,
so that speech and speakers are found in the sound, and voices and words are read. For the number
of speakers, 30 minutes have subtitles that name them in turn. Processor time and memory are those
of all processes together, including their start (`bench_analyze.py`). `--figure FOLDER` draws
them there as analysis-scale.png, .svg and .csv.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pysubs2

from bench_analyze import analysed, repeated, take_sound
from mmerc.experiments.plots.style import Plot, Records, house_style, line_style, new_figure

_COPY_SECONDS = 48  # about the duration of the example
_MINUTES_OF_SPEAKERS = 30


def measure(minutes: int, speakers: int | None, folder: Path) -> dict[str, float | str]:
    """Analyse sound of so many minutes; ``speakers``: named by subtitles (None: by their sound)."""
    film, subtitles, length = repeated(round(minutes * 60 / _COPY_SECONDS), folder)
    sound = take_sound(film)
    given = write_words(subtitles) if speakers is None else name_speakers(subtitles, speakers)
    option = "--words" if speakers is None else "--subtitles"
    cost = analysed(sound, option, given, "--out", folder / "out")
    return {
        "series": "minutes" if speakers is None else "speakers",
        "size": round(length / 60, 1) if speakers is None else speakers,
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
    """Let so many speakers say the cues in turn."""
    cues = pysubs2.load(str(subtitles))
    for number, cue in enumerate(cues):
        cue.text = f"Speaker{number % speakers + 1}: {cue.plaintext.rpartition(': ')[2]}"
    path = subtitles.with_stem(f"{subtitles.stem}-{speakers}")
    cues.save(str(path))
    return path


def draw(records: Records) -> Plot:
    """Seconds and gigabytes over the minutes, and over the number of speakers."""
    with house_style():
        figure, axes = new_figure(7.0, 5.2, 2, 2)
        for row, series in zip(axes, ("minutes", "speakers"), strict=True):
            part = [record for record in records if record["series"] == series]
            for axis, name in zip(row, ("processor seconds", "memory in GB"), strict=True):
                sizes, values = ([record[key] for record in part] for key in ("size", name))
                axis.plot(sizes, values, **line_style(0))
                axis.set_title(name)
                axis.set_xlabel(f"{series} of sound" if series == "minutes" else series)
                axis.set_ylim(bottom=0)
    caption = "An analysis of sound with known words, by duration; 30 minutes, by named speakers."
    return Plot(
        name="analysis-scale", title="Scale", caption=caption, figure=figure, records=records
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="*", default=[10, 30, 60, 120])
    parser.add_argument("--speakers", type=int, nargs="*", default=[1, 10, 50, 200])
    parser.add_argument("--figure", type=Path, help="folder to draw the figure in")
    arguments = parser.parse_args()
    sizes = [(minutes, None) for minutes in arguments.minutes]
    sizes += [(_MINUTES_OF_SPEAKERS, count) for count in arguments.speakers]
    records = []
    for minutes, speakers in sizes:
        with tempfile.TemporaryDirectory() as folder:
            records.append(measure(minutes, speakers, Path(folder)))
        print(records[-1], flush=True)
    if arguments.figure is not None:
        draw(records).save(arguments.figure)


if __name__ == "__main__":
    main()
