"""Which matrix-vector unit FINN is asked for per layer: module name, formats, port widths. Plain values, FINN not imported."""

from designs.layer_table import LinearLayer
from designs.number_format import IntFormat
from hw.plan.folding import Folding

MULTIPLIER_BITS = 27
"""Width of the DSP58 operand into which FINN's packed core puts the weights of several outputs."""

LANES_MAX = 3
"""FINN packs where more lanes than this fit, and takes its plain one-multiplier-per-multiply-add core up to it."""


def module_name(layer: LinearLayer) -> str:
    """Top module of the unit generated for `layer`."""
    return f"finn_{layer.name}"


def generated_weight(layer: LinearLayer) -> IntFormat:
    """The weight format the unit is generated for: the layer's, widened until FINN takes its plain core.

    Short operands (4 x 4 bits) would be packed, four outputs into one 27 x 24 multiplier: right for a DSP slice, wasteful as
    gates, and that core's pipeline is longer than the output queue behind it was sized for. Weights are sign-extended.
    """
    bits = layer.weight.bits
    while lanes(layer.input.bits, bits) > LANES_MAX:
        bits += 1
    return IntFormat(bits)


def lanes(activation_bits: int, weight_bits: int) -> int:
    """Outputs that FINN's mvu.sv packs into one DSP58 multiplier (weights of full range)."""
    return 1 + (MULTIPLIER_BITS - 1 - weight_bits) // (weight_bits + activation_bits - 1)


def padded(bits: int) -> int:
    """Width of a FINN port that carries `bits` bits: whole bytes."""
    return -(-bits // 8) * 8


def port_widths(layer: LinearLayer, folding: Folding) -> dict[str, int]:
    """TDATA width of each stream of the unit, by FINN's name."""
    return {
        "in0_V": padded(folding.simd * layer.input.bits),
        "in1_V": padded(folding.multipliers * generated_weight(layer).bits),
        "out0_V": padded(folding.pe * layer.bias.bits),
    }
