"""What a study compares: one way to come to a decoder for a new session, and the experiments made of such ways."""

from collections.abc import Callable
from dataclasses import dataclass

from models.distillation.registry import METHODS
from models.distillation.students import STUDENTS

POOLED, CALIBRATED = "pooled", "calibration"
TEACHER = "teacher"


@dataclass(frozen=True)
class Variant:
    """student, method: as models.distillation calls them; method "teacher" is the teacher itself, uncalibrated.

    trained_on: the calibration windows, or pooled: those of all offline sessions too; projection: what TSKD aligns with instead
    of its own, such as pca:8 (`models.study.projections`); temperature, flipped: how the teacher was made worse
    (models.teachers.quality); integers: width of the quantized decoder, weights and activations, such as w4a4, empty for float.
    """

    student: str = "ind"
    method: str = "none"
    trained_on: str = CALIBRATED
    projection: str = ""
    temperature: float = 1.0
    flipped: float = 0.0
    integers: str = ""

    def __str__(self) -> str:
        parts = [self.student if self.method != TEACHER else "", self.method, self.projection, self.integers]
        parts += [self.trained_on] if self.trained_on != CALIBRATED else []
        parts += [f"T={self.temperature:g}"] if self.temperature != 1 else []
        parts += [f"flipped={self.flipped:g}"] if self.flipped else []
        return " ".join(part for part in parts if part)


def methods() -> list[Variant]:
    """Every method on the IND, the teacher itself, and the IND that trains on all sessions instead."""
    own = [Variant(method=name) for name in METHODS]
    return [*own, Variant(trained_on=POOLED), Variant(student="", method=TEACHER)]


def parts() -> list[Variant]:
    """Every student without a teacher and under TSKD: what the network gives, and what distillation gives, apart."""
    return [Variant(student=name, method=method) for name in STUDENTS for method in ("none", "tskd")]


def projections() -> list[Variant]:
    """TSKD's second step on projections that keep much, little and nothing of what the teacher decides by, several of each
    rank: a rank is a strength of teaching of its own."""
    kinds = ("pca", "lda", "least", "random")
    named = [f"{kind}:{rank}" for rank in (1, 4, 16) for kind in kinds] + [
        f"random:{r}:{n}" for r in (1, 4, 16) for n in (1, 2)
    ]
    return [Variant(), Variant(method="tskd"), *(Variant(method="tskd", projection=name) for name in named)]


def teachers() -> list[Variant]:
    """KD, FitNets and TSKD under teachers that are too sure, not sure enough, or learned wrong labels; FitNets hears no
    logits."""
    found = [Variant(method=name, temperature=t) for name in ("kd", "tskd") for t in (0.25, 4.0)]
    found += [Variant(method=name, flipped=f) for name in ("kd", "fitnets", "tskd") for f in (0.0, 0.2, 0.4)]
    return [Variant(), *found, *(Variant(student="", method=TEACHER, flipped=f) for f in (0.0, 0.2, 0.4))]


def integers() -> list[Variant]:
    """Without a teacher and under TSKD, in float and in the integers of the chip, the teacher staying in the loss."""
    return [Variant(method=name, integers=width) for name in ("none", "tskd") for width in ("", "w8a8", "w4a4")]


EXPERIMENTS: dict[str, Callable[[], list[Variant]]] = {
    found.__name__: found for found in (methods, parts, projections, teachers, integers)
}
