"""Family -> Brevitas quantizers; the only file of the comparison that names them, as quant.quantizers is of the product.

All of them are symmetric, take the full range of their format and round ties up. A range is learned as itself or as its
logarithm (`Family.in_octaves`); the scale is the range over 2 ** (bits - 1), or over 2 ** bits where the format is unsigned.
"""

import brevitas.nn as qnn
import torch
from brevitas.core.function_wrapper import RoundSte
from brevitas.core.quant import IntQuant as QuantizeToInt
from brevitas.core.scaling import PowerOfTwoIntScaling
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import RestrictValueType, ScalingImplType, ScalingPerOutputType
from brevitas.quant.base import IntQuant, UintQuant
from brevitas.quant.scaled_int import IntBias
from brevitas.quant.solver.act import ActQuantSolver
from brevitas.quant.solver.weight import WeightQuantSolver
from torch import Tensor, nn

from designs.layer_table import LinearLayer
from designs.number_format import IntFormat
from quant.comparison.family import Family
from quant.quantizers import ACTIVATION_RANGE, HalfUp, range_log2

PACT_DECAY = 2e-4
"""Weight of the squared ranges in PACT's loss: as large as the weights' own decay often is, which its authors take for it."""


class ClippedFirst(QuantizeToInt):
    """PACT (Choi et al., arXiv 1805.06085): ``quantize(clip(x, low, high))``, where the scale moves with what is clipped alone.

    Values within the range have no part in the gradient of the range; in `QuantizeToInt`, as in LSQ (Esser et al., arXiv
    1902.08153), their rounding errors have.
    """

    def forward(self, scale: Tensor, zero_point: Tensor, bit_width: Tensor, x: Tensor) -> Tensor:
        low, high = self.min_int(bit_width) * scale, self.max_int(bit_width) * scale
        clipped = torch.minimum(torch.maximum(x, low), high)
        found: Tensor = super().forward(scale.detach(), zero_point, bit_width, clipped)
        return found


class _LearnedRange(ExtendedInjector):
    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0
    scaling_per_output_type = ScalingPerOutputType.TENSOR
    restrict_value_float_to_int_impl = RoundSte
    int_scaling_impl = PowerOfTwoIntScaling
    float_to_int_impl = HalfUp


class _Weight(_LearnedRange, IntQuant, WeightQuantSolver):
    """Signed, full range."""


class _Signed(_LearnedRange, IntQuant, ActQuantSolver):
    """Signed activation, full range."""


class _Unsigned(_LearnedRange, UintQuant, ActQuantSolver):
    """Activation after a ReLU."""


class _Bias(IntBias):
    """At accumulator scale: input scale times weight scale."""

    float_to_int_impl = HalfUp
    bit_width = 32


def _restriction(family: Family) -> dict[str, object]:
    if family.power_of_two:
        found = RestrictValueType.POWER_OF_TWO
    else:
        found = RestrictValueType.LOG_FP if family.in_octaves else RestrictValueType.FP
    clipped = {"int_quant": ClippedFirst} if family.method == "pact" else {}
    return {"restrict_scaling_type": found, **clipped}


def compared_linear(layer: LinearLayer, family: Family) -> qnn.QuantLinear:
    """As quant.quantizers.quant_linear."""
    shared = ScalingPerOutputType.CHANNEL if family.per_channel else ScalingPerOutputType.TENSOR
    weight = _Weight.let(bit_width=layer.weight.bits, scaling_per_output_type=shared, **_restriction(family))
    bias = _Bias.let(bit_width=layer.bias.bits)
    return qnn.QuantLinear(layer.inputs, layer.outputs, bias=True, weight_quant=weight, bias_quant=bias)


def compared_activation(fmt: IntFormat, family: Family) -> nn.Module:
    """As quant.quantizers.quant_activation."""
    if fmt.signed:
        signed = _Signed.let(bit_width=fmt.bits, **_restriction(family))
        return qnn.QuantIdentity(act_quant=signed, return_quant_tensor=True)
    unsigned = _Unsigned.let(bit_width=fmt.bits, **_restriction(family))
    return qnn.QuantReLU(act_quant=unsigned, return_quant_tensor=True)


def learned_range(quantized: nn.Module) -> nn.Parameter:
    """The clipping range of a layer's weight ([outputs, 1] where it has one per channel) or of an activation, or its log2."""
    return range_log2(quantized)  # the product keeps its own in the same place


def set_scale(quantized: nn.Module, fmt: IntFormat, scale: Tensor, family: Family) -> None:
    """Put the scale, or the scales of all channels, at `scale`, one value or [outputs]."""
    value = learned_range(quantized)
    reach = scale * 2.0 ** (fmt.bits - 1 if fmt.signed else fmt.bits)
    with torch.no_grad():
        value.copy_((reach.log2() if family.in_octaves else reach).reshape(value.shape))


def pact_decay(model: nn.Module, family: Family) -> Tensor:
    """PACT's regulariser ``PACT_DECAY * sum of range ** 2`` over activations: they shrink until what they clip matters."""
    learned = [value for name, value in model.named_parameters() if name.endswith(ACTIVATION_RANGE)]
    ranges = torch.stack([value.exp2() if family.in_octaves else value for value in learned])
    return PACT_DECAY * ranges.square().sum()
