"""Integer formats under their QONNX names: INT4, UINT8, INT12 ..."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class IntFormat:
    """A two's complement (`signed`) or unsigned integer of `bits` bits.

    Source: the naming follows QONNX data types; docs/number_formats.md has the rounding rule.
    """

    bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int) or not 1 <= self.bits <= 63:
            raise ValueError(f"IntFormat: bits={self.bits!r} is out of range; use 1 to 63")

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    @property
    def name(self) -> str:
        return f"{'' if self.signed else 'U'}INT{self.bits}"

    def unsigned(self) -> "IntFormat":
        """The same width without a sign: what follows a ReLU."""
        return IntFormat(self.bits, signed=False)

    def __str__(self) -> str:
        return self.name


INT4, INT8, INT12 = IntFormat(4), IntFormat(8), IntFormat(12)
UINT4, UINT8 = INT4.unsigned(), INT8.unsigned()


def product_sum(a: IntFormat, b: IntFormat, terms: int) -> IntFormat:
    """The narrowest signed format that holds any sum of `terms` products a * b: proved from the formats."""
    corners = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
    return enclosing(terms * min(corners), terms * max(corners))


def enclosing(low: int, high: int) -> IntFormat:
    """The narrowest signed format that holds every integer from `low` to `high`."""
    return IntFormat(max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1)
