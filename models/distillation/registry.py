"""The methods by name, in the order that tables show them."""

from difflib import get_close_matches

from models.distillation.fitnets import FitNets
from models.distillation.kd import LogitDistillation
from models.distillation.method import Method
from models.distillation.none import NoDistillation
from models.distillation.orthogonal_projection import OrthogonalProjection
from models.distillation.rdimkd import Rdimkd, RdimkdRandom
from models.distillation.simkd import SimKD
from models.distillation.tofd import Tofd
from models.distillation.tskd import Tskd, TskdStarted
from models.distillation.vkd import Vkd, VkdWhitened

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        *(NoDistillation, LogitDistillation, FitNets, SimKD, OrthogonalProjection, Vkd, VkdWhitened),
        *(Rdimkd, RdimkdRandom, Tofd, Tskd, TskdStarted),
    )
}


class DistillationError(ValueError):
    """A student, method or teaching that do not fit together: one line."""


def find_method(name: str) -> type[Method]:
    """The method called `name`; DistillationError names the nearest one, or all of them."""
    if name in METHODS:
        return METHODS[name]
    near = get_close_matches(name, METHODS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"the methods are {', '.join(METHODS)}"
    raise DistillationError(f"method {name!r} is unknown: {hint}")
