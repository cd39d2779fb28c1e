"""What a decision takes whatever it is built of: products by operand format, constants, bits read once."""

from collections.abc import Mapping
from dataclasses import dataclass

from designs.layer_table import linear_layer, linear_layers
from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.morlet import HALF_BAND, morlet_kernels

Operands = tuple[IntFormat, IntFormat]
"""Formats of the two factors: the activation or sample, the weight or state."""


@dataclass(frozen=True)
class TapConstants:
    """Constants that one value is multiplied by, `per_decision` times on average.

    `name`: of the value: added_3 and differed_3 of the wavelets' symmetric pairs, half_band_4 of the decimator.
    """

    name: str
    constants: tuple[int, ...]
    per_decision: float


@dataclass(frozen=True)
class NecessaryWork:
    """Of one decision, which takes one new token. Additions, control and everything that is read again are left out."""

    products: Mapping[Operands, int]
    taps: tuple[TapConstants, ...]
    weight_bits: int
    sample_bits: int


def necessary_work(design: Design) -> NecessaryWork:
    """The work of a decision: every multiplication of the layers, the attention, the spatial filter and the wavelet bank, one
    read of every weight and one of every sample.

    Symmetric taps are folded, as any bank would. Biases and positions are added, not multiplied, and a leaky state's share of
    3/4 is an addition and shifts: neither is counted.
    """
    spec = design.tokenizer
    weight_bits = sum(layer.inputs * layer.outputs * layer.weight.bits for layer in linear_layers(design))
    if spec.spatial is not None:
        weight_bits += spec.channels * spec.spatial.virtual_channels * spec.spatial.weight.bits
    return NecessaryWork(
        products=_products(design),
        taps=() if spec.ready else _taps(design),
        weight_bits=weight_bits,
        sample_bits=spec.channels * spec.token_samples * spec.input.bits,
    )


def attention_operands(design: Design) -> tuple[Operands, Operands]:
    """Formats of (value, key) and (query, state)."""
    activation = design.quant.activation
    return (activation, activation.unsigned()), (activation.unsigned(), design.quant.stream)


def _products(design: Design) -> dict[Operands, int]:
    found: dict[Operands, int] = {}
    for layer in linear_layers(design):
        operands = (layer.input, layer.weight)
        found[operands] = found.get(operands, 0) + layer.macs
    spec, model = design.tokenizer, design.model
    if spec.spatial is not None:
        mixed = spec.token_samples * spec.channels * spec.spatial.virtual_channels
        found[spec.sample, spec.spatial.weight] = found.get((spec.sample, spec.spatial.weight), 0) + mixed
    tokens = linear_layer(design, "block0_query").tokens
    for operands in attention_operands(design):  # one product makes the state, one reads it
        found[operands] = found.get(operands, 0) + tokens * model.embed_dim**2 * model.layers
    return found


def _taps(design: Design) -> tuple[TapConstants, ...]:
    """One entry per folded tap: sums of a symmetric pair by the cosines' taps, differences by the sines'; the decimator's."""
    spec = design.tokenizer
    half, kernels = spec.taps // 2, morlet_kernels(spec)
    first = spec.bank_channels * spec.token_pairs
    steps, decimated = (first * sum(0.5**octave for octave in range(start, spec.octaves)) for start in (0, 1))
    found = [TapConstants(f"added_{tap}", tuple(kernel.even[tap] for kernel in kernels), steps) for tap in range(half)]
    found += [TapConstants(f"differed_{tap}", tuple(kernel.odd[tap] for kernel in kernels), steps) for tap in range(half)]
    middle = len(HALF_BAND) // 2
    for tap in range(middle + 1):
        if HALF_BAND[tap]:  # a step gives two samples of the octave below
            found.append(TapConstants(f"half_band_{tap}", (HALF_BAND[tap],), 2 * decimated))
    return tuple(found)
