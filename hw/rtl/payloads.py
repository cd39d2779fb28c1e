"""What travels on streams: Amaranth shapes of our integer formats."""

from amaranth.hdl import Shape
from amaranth.lib import data

from designs.number_format import IntFormat


def shape_of(format: IntFormat) -> Shape:
    """INT8 -> signed(8), UINT4 -> unsigned(4)."""
    return Shape(format.bits, format.signed)


def vector_of(format: IntFormat, length: int) -> data.ArrayLayout:
    """`length` values side by side, element 0 in the low bits."""
    return data.ArrayLayout(shape_of(format), length)
