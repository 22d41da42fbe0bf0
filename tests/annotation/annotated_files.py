"""Annotation files as ELAN's and Praat's own libraries write them."""

from praatio import textgrid
from pympi import Eaf

LINES = [  # start and end in milliseconds, speaker, words
    (0, 900, "Ann", "Well, there you are."),
    (1000, 2000, "Bob", "Here I am."),
    (2100, 3500, "Ann", "And late <again> & \"sorry\"?"),
    (3600, 4200, "Bob", "No."),
]  # fmt: skip
FIRST = ("joy", "neutral", "anger", "anger")
SECOND = ("joy", "neutral", "anger", "neutral")


def write_eaf(path, labels, *, media="talk.mp4", shift=0, annotator=None, words=True):
    """An EAF by pympi: emotion tiers per speaker, dependent on words or aligned independently."""
    eaf = Eaf()
    eaf.remove_tier("default")
    if media:
        eaf.add_linked_file(f"/nowhere/{media}", relpath=f"./{media}", mimetype="video/mp4")
    eaf.add_linguistic_type("words")
    if words:
        eaf.add_linguistic_type("emotion", constraints="Symbolic_Association", timealignable=False)
    else:
        eaf.add_linguistic_type("emotion")
    for speaker in ("Ann", "Bob"):
        eaf.add_tier(f"words@{speaker}", ling="words", part=speaker, ann=annotator)
        parent = f"words@{speaker}" if words else None
        eaf.add_tier(
            f"emotion@{speaker}", ling="emotion", parent=parent, part=speaker, ann=annotator
        )
    for (begins, ends, speaker, text), label in zip(LINES, labels, strict=True):
        start, end = begins + shift, ends + shift
        eaf.add_annotation(f"words@{speaker}", start, end, text)
        if words and label:
            eaf.add_ref_annotation(
                f"emotion@{speaker}", f"words@{speaker}", (start + end) // 2, label
            )
        elif label:
            eaf.add_annotation(f"emotion@{speaker}", start, end, label)
    eaf.to_file(str(path))
    return path


def write_textgrid(path, labels, *, form="short_textgrid", tiers=("words", "emotion"), shift=0):
    """A TextGrid by praatio, with tiers per speaker."""
    grid = textgrid.Textgrid()
    for kind in tiers:
        for speaker in ("Ann", "Bob"):
            entries = [
                ((start + shift) / 1000, (end + shift) / 1000, text if kind == "words" else label)
                for (start, end, name, text), label in zip(LINES, labels, strict=True)
                if name == speaker and label
            ]
            grid.addTier(textgrid.IntervalTier(f"{kind}@{speaker}", entries, 0, 5))
    grid.save(str(path), format=form, includeBlankSpaces=True)
    return path


def write_csv(path, labels, *, times=True, conversation="talk", column="label"):
    """A table with one line per utterance."""
    rows = [f"conversation,id,speaker,{'start,end,' if times else ''}{column}"]
    for number, ((start, end, speaker, _), label) in enumerate(zip(LINES, labels, strict=True)):
        span = f"{start / 1000},{end / 1000}," if times else ""
        rows.append(f"{conversation},{number},{speaker},{span}{label}")
    path.write_text("\n".join(rows) + "\n")
    return path
