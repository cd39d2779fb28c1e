"""Orthogonal projection onto a normalised teacher (V_kD, Miles, Elezi and Deng 2024)."""

import torch
from torch import Tensor

from models.distillation.embedding_scale import deviations, whitening
from models.distillation.orthogonal_projection import OrthogonalProjection


class Vkd(OrthogonalProjection):
    """``loss = task loss + weight * mean |Q h - N (z - centre)|^2`` with Q^T Q = 1; N whitens the teacher's embedding z.

    R. Miles, I. Elezi, J. Deng: V_kD: improving knowledge distillation using orthogonal projections, CVPR 2024. The projection
    preserves angles, so that it cannot learn to explain the teacher in the student's place; the normalisation is chosen by
    task. Our reading: N is fitted once, on the windows that projections may be fitted on, not per batch, and directions that
    these windows do not show are left out; whitening for every task here, and `vkd_standardised` beside it.
    """

    name = "vkd"

    def fitted_normaliser(self, embedding: Tensor) -> Tensor:
        return whitening(embedding)


class VkdStandardised(OrthogonalProjection):
    """V_kD with the other normalisation: N gives every dimension of z unit variance and leaves their correlations."""

    name = "vkd_standardised"

    def fitted_normaliser(self, embedding: Tensor) -> Tensor:
        return torch.diag(1 / deviations(embedding))
