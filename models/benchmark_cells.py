"""One cell of a benchmark: one model, trained and tested on one fold under one seed, and the file that keeps its result.

A result is kept under a key of everything it depends on: the samples, cues and targets of the fold, which of its sessions test,
the model and its source, and the seed. The same cell is never computed twice, and a changed model never reads an old result.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from models.baselines.model import BaselineError
from models.datasets.sources import Source, read_source
from models.metrics import accuracy, correlation, r2
from models.outcome import Outcome
from models.recording import Recording
from models.source_closure import closure_digest
from models.splits import LEAVE_ONE_SUBJECT_OUT, folds, read_protocol, subject_folds


@dataclass(frozen=True)
class Cell:
    """What is to be computed. `row`: the recordings that the table shows as one; `subjects`: all of them where one recording
    alone has no folds (leave-one-subject-out), else the one."""

    row: str
    subjects: tuple[Source, ...]
    protocol: str
    fold: int
    content: str
    """Digest of the fold."""
    model: str
    module: str
    """Where the model is written."""
    random: bool
    """Whether the seed matters to it; where not, all seeds share one result."""
    seed: int

    @property
    def key(self) -> str:
        """Name of the result's file, without its ending."""
        parts = [
            self.content,
            self.model,
            str(self.seed if self.random else None),
            closure_digest(self.module),
            closure_digest("models.metrics"),
        ]
        return f"{self.model}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:24]}"


@dataclass(frozen=True)
class Result:
    """What came out of a cell. measure: accuracy, r2 (counts) or correlation (other targets); value: on the test windows."""

    source: str
    measure: str
    value: float
    every: dict[str, float]
    """All measures that the test windows allow."""
    test_windows: int
    train_windows: int
    parameters: int
    macs: int
    train_s: float
    """Of processor time."""


def measured(fold: Recording, outcome: Outcome) -> Result:
    """The outcome as numbers; BaselineError where a prediction is no number."""
    predicted, wanted = outcome.predicted, outcome.wanted
    if not np.isfinite(predicted).all():
        raise BaselineError(f"{fold.source}: a prediction is no finite number; look at the recording's channels")
    if fold.events:
        every, measure = {"accuracy": accuracy(wanted, predicted)}, "accuracy"
    else:
        every = {"r2": r2(wanted, predicted), "correlation": correlation(wanted, predicted)}
        measure = "r2" if fold.kind == "counts" else "correlation"
    counts = (len(wanted), outcome.train_windows, outcome.parameters, outcome.macs)
    return Result(fold.source, measure, every[measure], every, *counts, outcome.train_s)


@lru_cache(maxsize=4)
def folds_of(subjects: tuple[Source, ...], protocol: str) -> list[Recording]:
    """All folds of one recording, or over all subjects."""
    recordings: Sequence[Recording] = [read_source(source) for source in subjects]
    chosen = read_protocol(protocol)
    if chosen.name == LEAVE_ONE_SUBJECT_OUT:
        return subject_folds(recordings)
    return [fold for recording in recordings for fold in folds(recording, chosen)]


def result_path(folder: Path, cell: Cell) -> Path:
    """Where the cell's result lies."""
    return folder / "cells" / f"{cell.key}.json"


def read_result(folder: Path, cell: Cell) -> Result | None:
    """The kept result; None where there is none, or a damaged one, which is computed again."""
    try:
        kept = json.loads(result_path(folder, cell).read_text(encoding="utf-8"))
        return Result(**kept["result"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_result(folder: Path, cell: Cell, result: Result) -> None:
    """Under a temporary name, then renamed: a result is whole or absent."""
    path = result_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "row": cell.row,
        "protocol": cell.protocol,
        "fold": cell.fold,
        "model": cell.model,
        "seed": cell.seed,
        "result": asdict(result),
    }
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(kept, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)
