"""The students by name."""

from difflib import get_close_matches

from designs.schema import Design
from models.baselines.model import BaselineError
from models.distillation.eegnet_student import EegNetStudent
from models.distillation.gru_student import GruStudent
from models.distillation.ind_convolution_student import IndConvolutionStudent
from models.distillation.ind_mlp_student import IndMlpStudent
from models.distillation.ind_samples_student import IndSamplesStudent
from models.distillation.ind_student import IndStudent
from models.distillation.registry import DistillationError
from models.distillation.student import Student

STUDENTS: dict[str, type[Student]] = {
    "ind": IndStudent,
    "ind_convolution": IndConvolutionStudent,
    "ind_samples": IndSamplesStudent,
    "ind_mlp": IndMlpStudent,
    "eegnet": EegNetStudent,
    "gru": GruStudent,
}


def fits(name: str, design: Design) -> str | None:
    """None where the student can decode the windows of `design`, else one sentence that says why not, such as "eegnet needs 27
    samples, the window has 20". Raises DistillationError for an unknown name."""
    reason = _named(name).misfit(design)
    return None if reason is None else f"{name} {reason}"


def student(name: str, design: Design) -> Student:
    """An untrained student for the windows of `design`, under torch's seed. Raises DistillationError."""
    if reason := fits(name, design):
        raise DistillationError(f"student {reason}; use another student")
    try:
        return _named(name)(design)
    except BaselineError as error:
        raise DistillationError(f"student {name} cannot be built ({' '.join(str(error).split())})") from error


def _named(name: str) -> type[Student]:
    if name not in STUDENTS:
        near = get_close_matches(name, STUDENTS, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"the students are {', '.join(STUDENTS)}"
        raise DistillationError(f"student {name!r} is unknown: {hint}")
    return STUDENTS[name]
