"""Wheels with small weights, built here."""

import hashlib
import io
import zipfile

from mmerc.weights.catalogue import NamedWeights

CONTENT = {"model.bin": b"\x80 weights \x00" * 5000, "config.json": b'{"size": 3}'}
TEXT = {"model.safetensors": b"tensors" * 3000, "config.json": b"{}", "vocab.txt": b"a\nb\n"}


def write_wheel(folder, name, members):
    """A wheel of version 1.0 that pip accepts."""
    stem = f"{name.replace('-', '_')}-1.0"
    facts = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for member, content in {**members, **facts}.items():
            wheel.writestr(member, content)


def hashes(content):
    return {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}


def write_wheels(folder):
    """The wheels of both kinds of weights: joined files, and a split ZIP file."""
    folder.mkdir()
    model = CONTENT["model.bin"]
    first = {"a_part1/model.part1": model[:7001], "a_part1/config.json": CONTENT["config.json"]}
    write_wheel(folder, "a-part1", first)
    write_wheel(folder, "a-part2", {"a_part2/model.part2": model[7001:]})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in {**TEXT, "virus.pkl": b"cos\nsystem\n(S'touch x'\ntR."}.items():
            archive.writestr(f"t-v2/{name}", data)
    half = len(packed.getvalue()) // 2
    write_wheel(folder, "t-part-001", {"t-part_001/t.zip.001": packed.getvalue()[:half]})
    write_wheel(folder, "t-part-002", {"t-part_002/t.zip.002": packed.getvalue()[half:]})
    return folder


def joined_weights(name="joined"):
    return NamedWeights(
        name=name,
        megabytes=1,
        wheels=("a-part1==1.0", "a-part2==1.0"),
        members={
            "model.bin": ("a_part1/model.part1", "a_part2/model.part2"),
            "config.json": ("a_part1/config.json",),
        },
        sha256=hashes(CONTENT),
    )


def archived_weights(name="archived"):
    return NamedWeights(
        name=name,
        megabytes=1,
        wheels=("t-part-001==1.0", "t-part-002==1.0"),
        archive=("t-part_001/t.zip.001", "t-part_002/t.zip.002"),
        archive_folder="t-v2",
        sha256=hashes(TEXT),
    )
