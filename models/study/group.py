"""What one process computes of a study."""

from dataclasses import dataclass

from models.distillation.calibration_folds import CalibrationFold
from models.study.variant import Variant


@dataclass(frozen=True)
class Group:
    """All variants of some folds of a recording whose offline sessions are the same, so that they share teachers, under one
    seed; wanted: of each fold, its variants."""

    row: str
    subject: str
    seed: int
    folds: tuple[CalibrationFold, ...]
    wanted: tuple[tuple[Variant, ...], ...]
