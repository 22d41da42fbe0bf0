"""``measures.csv``: written, read, explained."""

import csv
from dataclasses import fields

import pytest

from mmerc.errors import InputError
from mmerc.studies.measure_row import Measure
from mmerc.studies.measures_table import measure_columns, read_measures, write_measures

ROW = Measure(
    measure="share", emotion="joy", condition="=1+1", reference="-x", count=3, value=0.25,
    effect=-0.0, p_value=0.5, null="permuted conditions",
)  # fmt: skip


def test_written_table_is_read_back(tmp_path):
    path = tmp_path / "measures.csv"
    write_measures(path, [ROW])
    assert read_measures(path) == [ROW]


def test_numbers_are_rounded_gaps_empty_and_formulas_escaped(tmp_path):
    path = tmp_path / "measures.csv"
    write_measures(path, [ROW])
    with open(path, encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["value"], row["effect"], row["p_holm"]) == ("0.25", "0.0", "")
    assert (row["condition"], row["reference"]) == ("'=1+1", "'-x")


def test_every_column_is_explained_once():
    names = [column.name for column in measure_columns()]
    assert sorted(names) == sorted(item.name for item in fields(Measure))
    assert all(column.meaning for column in measure_columns())


def test_damaged_table_is_refused(tmp_path):
    path = tmp_path / "measures.csv"
    write_measures(path, [ROW])
    path.write_text(path.read_text().replace("0.25", "a quarter"))
    with pytest.raises(InputError, match="line 2: is damaged; run mmerc study measures again"):
        read_measures(path)
