"""Both embeddings seen through the same fixed projection onto fewer dimensions (RdimKD, Guo et al. 2023)."""

import torch
from torch import Tensor, nn

from models.distillation.embedding_scale import overall_deviation
from models.distillation.method import Method
from models.distillation.projections import Projection, pca_projection, random_projection
from models.distillation.student import Student
from models.distillation.teaching import Teaching


class Rdimkd(Method):
    """``loss = task loss + weight * mean |K^T (A h + a) - K^T (z - centre)|^2 / s^2``, K fixed before training.

    h is the student's embedding, z the teacher's, K [taught_dim, r] its leading principal directions, s^2 the mean variance of
    K^T z. Y. Guo, Y. He, X. Li, H. Qin, V. T. Pham, Y. Zhang, S. Liu: RdimKD: generic distillation paradigm by dimensionality
    reduction, arXiv 2312.08700; they compare K from principal components, at random, and from an autoencoder. Our reading:
    student and teacher have different widths, so a learned linear A brings the student to the teacher's space first; r is the
    smaller of the two widths, at most half of the teacher's. At the start about 1; the mean is over the r dimensions.
    """

    name = "rdimkd"
    weights = (0.1, 10.0)
    centre: Tensor
    reduction: Tensor
    scale: Tensor

    def __init__(self, student: Student, teaching: Teaching, *, regression: bool, weight: float | None = None):
        super().__init__(student, teaching, regression=regression, weight=weight)
        kept = max(1, min(student.embed_dim, teaching.embed_dim // 2))
        reduction = self.fitted_reduction(teaching, kept).matrix.float()
        centred = teaching.embedding - teaching.embedding.mean(dim=0)
        self.adapt = nn.Linear(student.embed_dim, teaching.embed_dim)
        self.register_buffer("centre", teaching.embedding.mean(dim=0))
        self.register_buffer("reduction", reduction)
        self.register_buffer("scale", overall_deviation(centred @ reduction))

    def fitted_reduction(self, teaching: Teaching, kept: int) -> Projection:
        return pca_projection(teaching, kept)

    def term(self, embedding: Tensor, outputs: Tensor, taught: Tensor) -> Tensor:
        found, wanted = self.adapt(embedding) @ self.reduction, (taught - self.centre) @ self.reduction / self.scale
        return nn.functional.mse_loss(found, wanted)


class RdimkdRandom(Rdimkd):
    """RdimKD with random orthonormal directions instead of the principal ones."""

    name = "rdimkd_random"

    def fitted_reduction(self, teaching: Teaching, kept: int) -> Projection:
        return random_projection(teaching, kept, int(torch.randint(1 << 31, (1,))))
