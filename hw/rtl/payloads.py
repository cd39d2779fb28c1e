"""What travels on streams: Amaranth shapes of our integer formats."""

from collections.abc import Sequence

from amaranth.hdl import Shape, signed
from amaranth.lib import data

from designs.number_format import IntFormat


def shape_of(format: IntFormat) -> Shape:
    """INT8 -> signed(8), UINT4 -> unsigned(4)."""
    return Shape(format.bits, format.signed)


def vector_of(format: IntFormat, length: int) -> data.ArrayLayout:
    """`length` values side by side, element 0 in the low bits."""
    return data.ArrayLayout(shape_of(format), length)


def lanes_of(bits: Sequence[int]) -> data.Layout:
    """Signed values of several widths side by side, by number."""
    fields, start = {}, 0
    for lane, width in enumerate(bits):
        fields[lane] = data.Field(signed(width), start)
        start += width
    return data.FlexibleLayout(start, fields)
