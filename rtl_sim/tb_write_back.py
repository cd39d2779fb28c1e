"""The engine's rounding and adding equals its golden twins for every shift and format that a pass may write."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from designs.number_format import INT4, INT8, UINT4, UINT8, IntFormat
from hw.rtl.write_back import SHIFT_BITS, WriteBack
from quant.golden.requantize import requantize
from quant.golden.residual import residual
from rtl_sim.ports import pack, unpack
from rtl_sim.stimulus import corners_then_random
from rtl_sim.variants import block_under_test

FORMATS = (INT4, UINT4, INT8, UINT8)
STREAMS = {"ind_tiny": (4, 19, INT8), "ind_int4": (10, 22, INT8), "narrow_stream": (3, 12, IntFormat(6))}
"""Lanes, bits of the sums, format of the residual stream."""


def _write_back(lanes: int, sum_bits: int, stream: IntFormat) -> WriteBack:
    return WriteBack(lanes=lanes, sum_bits=sum_bits, lane_bits=8, stream=stream)


VARIANTS = {name: lambda sizes=sizes: _write_back(*sizes) for name, sizes in STREAMS.items()}


class Ports:
    """Sets inputs, waits until the logic has settled, reads outputs; lanes as lists of integers."""

    def __init__(self, dut: Any):
        self._dut, self._block = dut, block_under_test(VARIANTS)
        self.shapes = {name: member.shape for name, member in self._block.signature.members.items()}
        self.lanes = self.shapes["sums"].length
        self.sum = IntFormat(self.shapes["sums"].elem_shape.width)

    async def give(self, **values: Any) -> None:
        for name, value in values.items():
            getattr(self._dut, name).value = pack(self.shapes[name], value)
        await Timer(1, "ns")

    def take(self, name: str, format: IntFormat) -> list[int]:
        """The lanes of an output as integers of `format`, which must say everything that the bits do."""
        found = [
            value - (1 << 8) * (format.signed and value >> 7) for value in unpack(self.shapes[name], int(self._dut[name].value))
        ]
        assert all(format.min <= value <= format.max for value in found), found
        return found


@cocotb.test()
async def every_rounded_sum_equals_the_golden_model(dut):
    ports = Ports(dut)
    for shift in range(1 << SHIFT_BITS):
        ties = np.arange(-8, 8) * (1 << shift) + ((1 << shift) >> 1)
        sums = np.concatenate([corners_then_random(ports.sum, 8 * ports.lanes, seed=shift), ties])
        sums = sums[: len(sums) // ports.lanes * ports.lanes].clip(ports.sum.min, ports.sum.max).reshape(-1, ports.lanes)
        for format in FORMATS:
            for row in sums:
                await ports.give(sums=row.tolist(), shift=shift, low=format.min, high=format.max)
                assert ports.take("rounded", format) == requantize(row, shift, format).tolist(), (shift, format)


@cocotb.test()
async def every_residual_equals_the_golden_model(dut):
    ports = Ports(dut)
    stream = STREAMS[next(name for name, sizes in STREAMS.items() if sizes[0] == ports.lanes)][2]
    pairs = [(a, b) for a in (stream.min, -1, 0, 1, stream.max) for b in (stream.min, -1, 0, 1, stream.max)]
    corners = np.array((pairs * ports.lanes)[: len(pairs) // ports.lanes * ports.lanes * ports.lanes]).reshape(
        -1, ports.lanes, 2
    )
    random = corners_then_random(stream, 400 * ports.lanes, seed=9).reshape(-1, ports.lanes, 2)
    for both in np.concatenate([corners, random]):
        left, right = both[:, 0], both[:, 1]
        await ports.give(left=left.tolist(), right=right.tolist())
        assert ports.take("added", stream if stream.signed else INT8) == residual(left, right, stream).tolist()
