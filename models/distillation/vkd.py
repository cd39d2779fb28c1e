"""Orthogonal projection onto a normalised teacher (V_kD, Miles, Elezi and Deng 2024)."""

import torch
from torch import Tensor

from models.distillation.embedding_scale import deviations, whitening
from models.distillation.orthogonal_projection import OrthogonalProjection


class Vkd(OrthogonalProjection):
    """``loss = task loss + weight * mean |Q h - N (z - centre)|^2`` with Q^T Q = 1; N standardises the teacher's embedding z.

    R. Miles, I. Elezi, J. Deng: V_kD: improving knowledge distillation using orthogonal projections, CVPR 2024. The projection
    preserves angles, so that it cannot learn to explain the teacher in the student's place; the normalisation is chosen by
    task. Our reading: standardisation, unit variance in every dimension, is the choice for tasks that discriminate, as all here
    do, and whitening the one for tasks that generate (`vkd_whitened`); N is fitted once, on the windows that projections may be
    fitted on, not per batch. The size of the term is OrthogonalProjection's.
    """

    name = "vkd"
    weights = (0.1, 3.0)

    def fitted_normaliser(self, embedding: Tensor) -> Tensor:
        return torch.diag(1 / deviations(embedding))


class VkdWhitened(OrthogonalProjection):
    """V_kD with the other normalisation: N also takes the correlations out of z, and leaves out directions that the windows do
    not show."""

    name = "vkd_whitened"
    weights = (0.1, 3.0)

    def fitted_normaliser(self, embedding: Tensor) -> Tensor:
        return whitening(embedding)
