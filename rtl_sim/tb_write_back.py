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
STREAMS = {
    "ind_tiny": ([19, 19, 16, 16], INT8),
    "ind_int4": ([22] * 4 + [18] * 6, INT8),
    "narrow_stream": ([12] * 3, IntFormat(6)),
}
"""Bits of every lane's sums, format of the residual stream."""


def _write_back(sum_bits: list[int], stream: IntFormat) -> WriteBack:
    return WriteBack(sum_bits=sum_bits, lane_bits=8, stream=stream)


VARIANTS = {name: lambda sizes=sizes: _write_back(*sizes) for name, sizes in STREAMS.items()}


class Ports:
    """Sets inputs, waits until the logic has settled, reads outputs; lanes as lists of integers."""

    def __init__(self, dut: Any):
        self._dut, self._block = dut, block_under_test(VARIANTS)
        self.shapes = {name: member.shape for name, member in self._block.signature.members.items()}
        self.sums = [IntFormat(field.width) for _, field in self.shapes["sums"]]
        self.lanes = len(self.sums)

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
        columns = [
            np.concatenate([corners_then_random(lane, 8, seed=shift + number), ties]).clip(lane.min, lane.max)
            for number, lane in enumerate(ports.sums)
        ]
        sums = np.stack(columns, axis=1)
        for format in FORMATS:
            for row in sums:
                await ports.give(sums=row.tolist(), shift=shift, low=format.min, high=format.max)
                assert ports.take("rounded", format) == requantize(row, shift, format).tolist(), (shift, format)


@cocotb.test()
async def every_residual_equals_the_golden_model(dut):
    ports = Ports(dut)
    stream = STREAMS[next(name for name, sizes in STREAMS.items() if len(sizes[0]) == ports.lanes)][1]
    pairs = [(a, b) for a in (stream.min, -1, 0, 1, stream.max) for b in (stream.min, -1, 0, 1, stream.max)]
    corners = np.array((pairs * ports.lanes)[: len(pairs) // ports.lanes * ports.lanes * ports.lanes]).reshape(
        -1, ports.lanes, 2
    )
    random = corners_then_random(stream, 400 * ports.lanes, seed=9).reshape(-1, ports.lanes, 2)
    for both in np.concatenate([corners, random]):
        left, right = both[:, 0], both[:, 1]
        await ports.give(left=left.tolist(), right=right.tolist())
        assert ports.take("added", stream if stream.signed else INT8) == residual(left, right, stream).tolist()
