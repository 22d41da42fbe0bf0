"""The files of a run, in a comparable form."""

import csv
import json


def weights(directory, seed=0):
    return (directory / f"seed-{seed}" / "model" / "model.safetensors").read_bytes()


def seed_file(directory, seed=0):
    return json.loads((directory / f"seed-{seed}" / "seed.json").read_text())


def history(directory, seed=0):
    with open(directory / f"seed-{seed}" / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def files_under(directory):
    actual = (path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.stat().st_mtime_ns for path in actual}
