"""What a study found, one file per result: under a key of everything that it depends on, so none is computed twice."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from models.distillation.calibration_folds import CalibrationFold
from models.source_closure import closure_digest
from models.study.variant import Variant

PACKAGES = ("torch", "numpy", "scikit-learn", "braindecode")


@dataclass(frozen=True)
class Result:
    """One variant on one fold under one seed. subject: its recording, source: the fold; value: `measure` on the test windows;
    every: all measures that they allow, and `tsr` and effective `rank` of the projection where there is one; trials: that
    calibrated; train_s: of processor time, a teacher's not included."""

    row: str
    subject: str
    source: str
    shots: int
    seed: int
    variant: str
    measure: str
    value: float
    every: dict[str, float]
    trials: int
    test_windows: int
    parameters: int
    macs: int
    train_s: float


def key_of(fold: CalibrationFold, variant: Variant, seed: int) -> str:
    """Of the fold's samples, the variant, the seed, the program and the packages that compute."""
    parts = (fold.digest, repr(variant), seed, *_program(bool(variant.integers)))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


@cache
def _program(integers: bool) -> tuple[str, ...]:
    """Digests of the source and versions of the packages that a result comes from."""
    modules = ("models.study.work", *(("quant.distilled_integers",) if integers else ()))
    packages = (*PACKAGES, *(("brevitas",) if integers else ()))
    return (*map(closure_digest, modules), *(f"{name} {version(name)}" for name in packages))


def read_result(folder: Path, key: str) -> Result | None:
    """None where there is none, or a damaged one, which is computed again."""
    try:
        return Result(**json.loads((folder / "results" / f"{key}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_result(folder: Path, key: str, result: Result) -> None:
    """Under a temporary name, then renamed: a result is whole or absent."""
    path = folder / "results" / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{key}.{os.getpid()}.partial")
    partial.write_text(json.dumps(asdict(result), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(path)
