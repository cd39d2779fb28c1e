"""What travels on streams: Amaranth shapes of our integer formats."""

from amaranth.hdl import Shape

from designs.number_format import IntFormat


def shape_of(format: IntFormat) -> Shape:
    """INT8 -> signed(8), UINT4 -> unsigned(4)."""
    return Shape(format.bits, format.signed)
