"""Robust standardisation of tokens, per feature, from training windows alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

IQR_OF_NORMAL = 1.349


@dataclass(frozen=True)
class Standardisation:
    """Standardised token = (token - centre) / scale; centre and scale float32 [features], scale > 0."""

    centre: Tensor
    scale: Tensor

    def __call__(self, tokens: Tensor) -> Tensor:
        """tokens [..., features] -> same shape."""
        return (tokens - self.centre.to(tokens.device)) / self.scale.to(tokens.device)


def fit_standardisation(tokens: Tensor) -> Standardisation:
    """tokens [rows, features], those that training windows see -> median and interquartile range (1 for a normal's deviation).

    A feature that never changes (a dead electrode) gets scale 1: it standardises to zero.
    """
    low, centre, high = torch.quantile(tokens.double(), torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64), dim=0)
    scale = (high - low) / IQR_OF_NORMAL
    scale = torch.where(scale > 0, scale, tokens.double().std(dim=0, correction=0))
    scale = torch.where(scale > 0, scale, 1.0)
    return Standardisation(centre.float(), scale.float())
