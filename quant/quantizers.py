"""QuantSpec -> Brevitas quantizers: power-of-two scales per tensor, learned clipping ranges, ties rounded up.

The only file that names Brevitas quantizers. A clipping range is 2 ** value with a learned `value` (PACT, its range in the
log domain); the scale is that range over 2 ** (bits - 1), or over 2 ** bits where the format is unsigned.
"""

import brevitas.nn as qnn
import torch
from brevitas.core.function_wrapper import RoundSte
from brevitas.core.scaling import PowerOfTwoIntScaling
from brevitas.inject import ExtendedInjector
from brevitas.inject.enum import RestrictValueType, ScalingImplType, ScalingPerOutputType
from brevitas.quant.base import IntQuant, UintQuant
from brevitas.quant.scaled_int import IntBias
from brevitas.quant.solver.act import ActQuantSolver
from brevitas.quant.solver.weight import WeightQuantSolver
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from designs.layer_table import LinearLayer
from designs.number_format import IntFormat

WEIGHT_RANGE = "weight_quant.tensor_quant.scaling_impl.value"
ACTIVATION_RANGE = "act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value"
"""Where Brevitas keeps the learned range."""


class HalfUp(nn.Module):
    """Nearest integer, ties towards plus infinity (docs/number_formats.md); the gradient passes straight through."""

    def __init__(self) -> None:  # Brevitas' injection reads this signature
        super().__init__()

    def forward(self, values: Tensor) -> Tensor:
        return values + (torch.floor(values + 0.5) - values).detach()


class _LearnedPowerOfTwo(ExtendedInjector):
    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0
    scaling_per_output_type = ScalingPerOutputType.TENSOR
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    restrict_value_float_to_int_impl = RoundSte
    int_scaling_impl = PowerOfTwoIntScaling
    float_to_int_impl = HalfUp
    bit_width = 8


class _Weight(_LearnedPowerOfTwo, IntQuant, WeightQuantSolver):
    """Signed, full range."""


class _Signed(_LearnedPowerOfTwo, IntQuant, ActQuantSolver):
    """Signed activation, full range."""


class _Unsigned(_LearnedPowerOfTwo, UintQuant, ActQuantSolver):
    """Activation after a ReLU."""


class _Bias(IntBias):
    """At accumulator scale: input scale times weight scale."""

    float_to_int_impl = HalfUp
    bit_width = 32


def quant_linear(layer: LinearLayer) -> qnn.QuantLinear:
    """The layer with quantized weight and bias; takes a quant tensor, gives the accumulator's value as a plain tensor."""
    return qnn.QuantLinear(
        layer.inputs,
        layer.outputs,
        bias=True,
        weight_quant=_Weight.let(bit_width=layer.weight.bits),
        bias_quant=_Bias.let(bit_width=layer.bias.bits),
    )


def quant_activation(fmt: IntFormat) -> nn.Module:
    """Plain tensor -> quant tensor in `fmt`; an unsigned format starts with the ReLU."""
    if fmt.signed:
        return qnn.QuantIdentity(act_quant=_Signed.let(bit_width=fmt.bits), return_quant_tensor=True)
    return qnn.QuantReLU(act_quant=_Unsigned.let(bit_width=fmt.bits), return_quant_tensor=True)


def integers_as_input(tokens: Tensor, fmt: IntFormat) -> IntQuantTensor:
    """Float tensor of integers in `fmt` -> quant tensor of scale 1."""
    one, zero, bits = torch.tensor(1.0), torch.tensor(0.0), torch.tensor(float(fmt.bits))
    return IntQuantTensor(tokens, scale=one, zero_point=zero, bit_width=bits, signed=fmt.signed, training=False)


def flattened(tokens: IntQuantTensor) -> IntQuantTensor:
    """[batch, tokens, embed_dim] -> [batch, tokens * embed_dim], the same integers at the same scale."""
    return IntQuantTensor(
        tokens.value.flatten(1),
        scale=tokens.scale,
        zero_point=tokens.zero_point,
        bit_width=tokens.bit_width,
        signed=tokens.signed,
        training=tokens.training,
    )


def to_integers(found: IntQuantTensor) -> Tensor:
    """Quant tensor -> int64; scales are powers of two, so nothing is rounded here."""
    return (found.value.double() / found.scale.double()).to(torch.int64)


def range_log2(quantized: nn.Module) -> nn.Parameter:
    """The learned log2 of the clipping range of a layer's weight or of an activation."""
    of_weight = isinstance(quantized, qnn.QuantLinear)
    return quantized.get_parameter(WEIGHT_RANGE if of_weight else ACTIVATION_RANGE)


def scale_log2(quantized: nn.Module, fmt: IntFormat) -> int:
    """Exponent of the scale in force: what one unit of the integers is worth is 2 ** exponent."""
    return int(torch.round(range_log2(quantized).detach())) - _range_bits(fmt)


def set_scale_log2(quantized: nn.Module, fmt: IntFormat, exponent: int) -> None:
    """Put the scale at 2 ** exponent."""
    with torch.no_grad():
        range_log2(quantized).fill_(float(exponent + _range_bits(fmt)))


def _range_bits(fmt: IntFormat) -> int:
    return fmt.bits - 1 if fmt.signed else fmt.bits
