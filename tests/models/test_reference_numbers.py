"""The tables of docs/benchmarks.md against what the benchmark finds on the recordings of the folder RECORDINGS.

Every row of a model without chance is computed again, and one seed of two others. The rest takes too long for a test.
"""

import os
import re
from pathlib import Path

import pytest

from models.benchmark import compute, plan
from models.benchmark_models import NAMES, is_random
from models.benchmark_table import table_rows
from models.datasets.sources import row_name
from models.splits import read_protocol

FOLDER = os.environ.get("RECORDINGS")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
COLUMNS = {"recording", "model", "measure", "mean", "spread", "parameters", "MACs per decision"}
PLACES = {row_name(place): place for place in re.findall(r"\$RECORDINGS/([^\s\"]+)", DOCUMENT)}
"""Row -> the argument of the document's commands that makes it, below RECORDINGS."""
LAST_DIGIT = 0.0006
"""A mean is written with three decimals; the other machine may round otherwise."""


def documented() -> list[dict[str, str]]:
    """The rows of every table of results, by the names of its columns; the protocol is `given` where no column says it."""
    rows, header = [], []
    for line in DOCUMENT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells or set(cells) >= COLUMNS:
            header = cells
        elif header and not set(line) <= set("|-"):
            rows.append({"protocol": "given"} | dict(zip(header, cells, strict=True)))
    return rows


ROWS = documented()
ONE_SEED = ("ind", "filter_bank_csp")
QUICK = [row for row in ROWS if row["model"] in ONE_SEED or not is_random(row["model"])]


def whole(text: str) -> int:
    return int(text.replace(",", ""))


def test_every_documented_row_names_a_model_and_a_command_that_makes_it():
    assert {"csp", "log_band_power", "ridge", "kalman", "ind"} <= {row["model"] for row in QUICK}
    for row in ROWS:
        assert row["model"] in NAMES and row["recording"] in PLACES, row
        assert str(read_protocol(row["protocol"])) == row["protocol"]
    assert len({(row["recording"], row["protocol"], row["model"]) for row in ROWS}) == len(ROWS)


@pytest.mark.train
@pytest.mark.skipif(not FOLDER, reason="RECORDINGS names no folder of recordings: docs/benchmarks.md is not checked")
@pytest.mark.parametrize("row", QUICK, ids=lambda row: f"{row['recording']} {row['model']}")
def test_the_document_says_what_the_benchmark_finds(row):
    cells = plan([str(Path(FOLDER or "") / PLACES[row["recording"]])], [row["model"]], row["protocol"], seeds=1)
    (found,) = table_rows([(cell, compute(cell)) for cell in cells])
    assert (found.recording, found.measure) == (row["recording"], row["measure"])
    assert (found.parameters, found.macs_per_decision) == (whole(row["parameters"]), whole(row["MACs per decision"]))
    assert found.test_windows == whole(row.get("test windows", str(found.test_windows)))
    one_trial = 1 / found.test_windows if found.measure == "accuracy" else 0.0
    chance = 3 * float(row["spread"]) + one_trial if is_random(row["model"]) else 0.0
    assert found.mean == pytest.approx(float(row["mean"]), abs=LAST_DIGIT + one_trial + chance)
