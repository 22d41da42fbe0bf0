"""Label sets: emotion names in an explicit order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmerc.errors import InputError, UsageError
from mmerc.names import tidy_name

# Okabe and Ito's colour-blind safe palette, then its darker half for larger sets.
PALETTE = (
    "#999999", "#E69F00", "#56B4E9", "#0072B2", "#F0E442", "#009E73", "#D55E00", "#CC79A7",
    "#5B4A00", "#1B4F72", "#6E2C00", "#4A235A",
)  # fmt: skip
UNKNOWN_LABEL = -100


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Emotion names in a fixed order, each with a colour for plots."""

    name: str
    names: tuple[str, ...]
    colours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) != len(self.names) or "" in self.names:
            problem = f"needs two or more different names, got {list(self.names)}"
            raise InputError(f"label set {self.name!r}", problem, "name each label once")
        self._check_spelling()
        if len(self.colours) != len(self.names):
            colours = tuple(PALETTE[i % len(PALETTE)] for i in range(len(self.names)))
            object.__setattr__(self, "colours", colours)

    def _check_spelling(self) -> None:
        """Refuse labels that differ only in case or in spaces, and labels of spaces alone."""
        where, spelled = f"label set {self.name!r}", dict[str, str]()
        for name in self.names:
            tidy = tidy_name(name).casefold()
            if not tidy:
                raise InputError(where, f"the label {name!r} has no letters", "name it or use null")
            if tidy in spelled:
                problem = f"{spelled[tidy]!r} and {name!r} differ only in case or spaces"
                raise InputError(where, problem, "write the label in one way")
            spelled[tidy] = name

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def index(self, label: str | None) -> int:
        """Position of ``label``, or ``UNKNOWN_LABEL`` for None; InputError if not in the set."""
        if label is None:
            return UNKNOWN_LABEL
        if label not in self.names:
            fix = f"use one of {', '.join(self.names)}, or null"
            raise InputError(f"label set {self.name!r}", f"unknown label {label!r}", fix)
        return self.names.index(label)

    def to_json(self) -> dict[str, object]:
        return {"name": self.name, "names": list(self.names), "colours": list(self.colours)}

    @classmethod
    def from_json(cls, value: object) -> LabelSet:
        """Read the output of ``to_json``, or a list of names."""
        if isinstance(value, list):
            value = {"name": "custom", "names": value}
        if not isinstance(value, dict) or not isinstance(value.get("names"), list):
            fix = 'write ["first", "second", ...] or {"name": ..., "names": [...]}'
            raise InputError("label set", "neither a list of names nor a label set", fix)
        colours = tuple(str(colour) for colour in value.get("colours", ()))
        names = tuple(str(name) for name in value["names"])
        return cls(str(value.get("name", "custom")), names, colours)


MELD_7 = LabelSet(
    "meld", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
    ("#999999", "#E69F00", "#CC79A7", "#0072B2", "#F0E442", "#009E73", "#D55E00"),
)  # fmt: skip
IEMOCAP_6 = LabelSet(
    "iemocap", ("happy", "sad", "neutral", "angry", "excited", "frustrated"),
    ("#F0E442", "#0072B2", "#999999", "#D55E00", "#E69F00", "#CC79A7"),
)  # fmt: skip
IEMOCAP_4 = LabelSet(
    "iemocap4", ("happy", "sad", "neutral", "angry"),
    ("#F0E442", "#0072B2", "#999999", "#D55E00"),
)  # fmt: skip
MOSI_2 = LabelSet("mosi", ("negative", "positive"), ("#0072B2", "#E69F00"))
LABEL_SETS = {labels.name: labels for labels in (MELD_7, IEMOCAP_6, IEMOCAP_4, MOSI_2)}
# Label sources of corpora prepared before these were recorded.
_EARLIER_SOURCES = {
    "composed": "meld",
    "iemocap-4": "iemocap",
    "iemocap-4-unmerged": "iemocap",
    "iemocap-ratio": "iemocap",
    "iemocap-4-ratio": "iemocap",
    "iemocap-4-unmerged-ratio": "iemocap",
}


def label_source(corpus: str, labels_of: object = None) -> str:
    """Return the corpus whose labels ``corpus`` uses: ``labels_of``, by default itself."""
    return str(labels_of or _EARLIER_SOURCES.get(corpus, corpus))


def _label_set(name: str) -> LabelSet:
    """Look up a known label set by name."""
    if name not in LABEL_SETS:
        raise UsageError(f"No label set is called {name!r}; choose from {', '.join(LABEL_SETS)}.")
    return LABEL_SETS[name]


def infer_label_set(labels: Sequence[str | None]) -> LabelSet:
    """Build a label set from the labels that occur, sorted."""
    return LabelSet("custom", tuple(sorted({label for label in labels if label is not None})))
