"""The students by name."""

from collections.abc import Callable
from difflib import get_close_matches

from designs.schema import Design
from models.baselines.model import BaselineError
from models.distillation.eegnet_student import EegNetStudent
from models.distillation.gru_student import GruStudent
from models.distillation.ind_student import IndStudent
from models.distillation.registry import DistillationError
from models.distillation.student import Student

STUDENTS: dict[str, Callable[[Design], Student]] = {"ind": IndStudent, "eegnet": EegNetStudent, "gru": GruStudent}


def student(name: str, design: Design) -> Student:
    """An untrained student for the windows of `design`, under torch's seed. Raises DistillationError."""
    if name not in STUDENTS:
        near = get_close_matches(name, STUDENTS, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"the students are {', '.join(STUDENTS)}"
        raise DistillationError(f"student {name!r} is unknown: {hint}")
    try:
        return STUDENTS[name](design)
    except (ValueError, RuntimeError, ZeroDivisionError, BaselineError) as error:
        window_s = design.model.tokens * design.tokenizer.token_ms / 1000
        raise DistillationError(
            f"student {name} cannot be built for windows of {window_s:g} s ({' '.join(str(error).split())[:120]}); use another"
        ) from error
