"""The wheel, built from the checkout and installed elsewhere."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def build_wheel(folder):
    """Build the wheel as ``pip install`` does, with the installed build tools."""
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("mmerc-*.whl")
    return wheel


def install_wheel(wheel, folder):
    """Install the wheel into a separate environment; return its interpreter.

    Its dependencies are those of the tests, but the checkout is not found: lines of ``.pth``
    files there are not read.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    command = [*PIP, "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(command, check=True)
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in sorted(ours)))
    return folder / "bin" / "python"


def read_files(wheel):
    """The package's files in the wheel: path -> content."""
    with ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("mmerc/")]
        return {name: archive.read(name) for name in names}


def tracked_files():
    """The package's files in the checkout, without compiled files."""
    source = ROOT / "src"
    paths = [path for path in (source / "mmerc").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(source)): path.read_bytes()
        for path in paths
        if "__pycache__" not in path.parts
    }
