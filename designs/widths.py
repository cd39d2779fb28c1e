"""The bit widths that are compared, and the implant's decoder in each of them."""

from dataclasses import replace

from designs.ind_int4 import IND_INT4
from designs.number_format import INT8, IntFormat
from designs.schema import Design, QuantSpec

WIDTHS = ((8, 8), (8, 4), (4, 8), (4, 4), (3, 4), (2, 4))
"""Bits of (weights, activations inside the blocks). The residual stream, the states, the attention output, the pooled vector
and the tokens keep 8 bits throughout, as in QuantSpec."""
BUILT = {(8, 8): "ind_int8", (4, 4): "ind_int4"}
"""Widths -> the named design that has them."""


def quant_of(weight_bits: int, activation_bits: int) -> QuantSpec:
    """The formats of a width pair."""
    return QuantSpec(weight=IntFormat(weight_bits), activation=IntFormat(activation_bits), stream=INT8)


def ind_of(weight_bits: int, activation_bits: int) -> Design:
    """ind_int4, which ind_int8 is but for its widths, in other ones: "ind_w3a4"."""
    return replace(IND_INT4, name=f"ind_w{weight_bits}a{activation_bits}", quant=quant_of(weight_bits, activation_bits))
