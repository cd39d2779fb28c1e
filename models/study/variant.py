"""What a study compares: one way to come to a decoder for a new session."""

from dataclasses import dataclass

CALIBRATED, POOLED, FINE_TUNED, OFFLINE_ONLY = "calibration", "pooled", "fine-tuned", "uncalibrated"
TEACHER = "teacher"


@dataclass(frozen=True)
class Variant:
    """student, method: as models.distillation calls them; method "teacher" is the teacher itself, uncalibrated.

    trained_on: the calibration windows; pooled: those of all offline sessions too; fine-tuned: first those of the offline
    sessions, by labels alone, then the calibration windows; uncalibrated: the former alone, by labels, as a teacher learns.
    weight: of the method's term, None: its own. projection: what TSKD
    aligns with instead of its own, such as pca:8 (`models.study.projections`). temperature, flipped: how the teacher was made
    worse (models.teachers.quality). integers: width of the quantized decoder, weights and activations, such as w4a4, empty for
    float; "w4a4 unheard": its teacher fell silent before (quant.distilled_integers).
    """

    student: str = "ind"
    method: str = "none"
    trained_on: str = CALIBRATED
    weight: float | None = None
    projection: str = ""
    temperature: float = 1.0
    flipped: float = 0.0
    integers: str = ""

    def __str__(self) -> str:
        parts = [self.student if self.method != TEACHER else "", self.method, self.projection, self.integers]
        parts += [self.trained_on] if self.trained_on != CALIBRATED else []
        parts += [f"weight={self.weight:g}"] if self.weight is not None else []
        parts += [f"T={self.temperature:g}"] if self.temperature != 1 else []
        parts += [f"flipped={self.flipped:g}"] if self.flipped else []
        return " ".join(part for part in parts if part)
