"""Leaky means over tokens with every step quantized: twin of quant.golden.leaky_mean."""

import torch
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from designs.schema import LEAK_SHIFT

SHARE = 2.0**-LEAK_SHIFT


def leaky_mean(quantizer: nn.Module, old: Tensor, new: Tensor) -> IntQuantTensor:
    """old, the values of the mean before, and new of one shape -> the mean behind its quantizer."""
    found = quantizer(old * (1 - SHARE) + new * SHARE)
    assert isinstance(found, IntQuantTensor)
    return found


def leaky_means(quantizer: nn.Module, old: Tensor, new: Tensor) -> IntQuantTensor:
    """old [batch, ...], new [batch, tokens, ...] -> [batch, tokens, ...]: the mean after every token."""
    steps = []
    for each in new.unbind(1):
        steps.append(leaky_mean(quantizer, old, each))
        old = steps[-1].value
    last = steps[-1]
    return IntQuantTensor(
        torch.stack([step.value for step in steps], dim=1),
        scale=last.scale,
        zero_point=last.zero_point,
        bit_width=last.bit_width,
        signed=last.signed,
        training=last.training,
    )
