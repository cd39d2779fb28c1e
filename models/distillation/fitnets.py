"""Feature regression: a learned linear map of the student's embedding should give the teacher's (FitNets, Romero 2015)."""

from torch import Tensor, nn

from models.distillation.embedding_scale import deviations
from models.distillation.method import Method
from models.distillation.student import Student
from models.distillation.teaching import Teaching


class FitNets(Method):
    """``loss = task loss + weight * mean |R h + r - z'|^2``: h the student's embedding, z' the teacher's, standardised.

    A. Romero, N. Ballas, S. E. Kahou, A. Chassang, C. Gatta, Y. Bengio: FitNets: hints for thin deep nets, ICLR 2015. There the
    hint is an intermediate layer, the regressor R convolutional, and hints are trained before the task. Our reading: the hint
    is the embedding, R is linear and learned beside the task, and z' has unit variance in every dimension. At the start about
    1; the mean is over the teacher's dimensions.
    """

    name = "fitnets"
    weights = (0.3, 10.0)
    centre: Tensor
    scale: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        self.regressor = nn.Linear(student.embed_dim, teaching.embed_dim)
        self.register_buffer("centre", teaching.embedding.mean(dim=0))
        self.register_buffer("scale", deviations(teaching.embedding))

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        return nn.functional.mse_loss(self.regressor(embedding), (taught - self.centre) / self.scale)
