"""The array of multipliers equals its golden twin: dot products of corners, in some lanes only, rows and lanes read back."""

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer

from designs.layer_table import LinearLayer
from designs.number_format import INT4, INT8, IntFormat
from hw.rtl.mac_array import MacArray
from quant.golden.linear import linear
from quant.golden.parameters import LinearParameters
from rtl_sim import stalls
from rtl_sim.ports import pack, unpack
from rtl_sim.stimulus import corners_then_random
from rtl_sim.variants import block_under_test

PERIOD_NS, STEPS = 10, 9
OWN, BIAS, SUM = IntFormat(9), IntFormat(12), 22


def _array(rows: int, sums: list[int], shared: IntFormat, kinds: int) -> MacArray:
    """`sums`: bits of every lane's; the narrowest must do for STEPS products."""
    bits = {"own_bits": OWN.bits, "shared_bits": shared.bits, "bias_bits": BIAS.bits, "row_bits": min(sums)}
    return MacArray(rows=rows, lanes=len(sums), kinds=kinds, sum_bits=sums, **bits)


VARIANTS = {
    "ind_tiny": lambda: _array(4, [SUM, SUM, 17, 17], INT4, 2),
    "ind_int4": lambda: _array(8, [SUM] * 10, INT8, 1),
    "one_row": lambda: _array(1, [SUM, SUM, 17], INT4, 1),
}


class ArrayBench:
    """Drives the array's ports, which are no streams: it multiplies what it took while `take` was high, a cycle later."""

    def __init__(self, dut: Any, stall: stalls.Stall):
        self._dut, self._steps = dut, stall(3)
        self.shapes = {name: member.shape for name, member in block_under_test(VARIANTS).signature.members.items()}
        self.rows, self.lanes, self.kinds = (self.shapes[name].length for name in ("bias", "own", "shared"))
        self.shared = IntFormat(self.shapes["shared"].elem_shape.elem_shape.width)

    async def start(self) -> None:
        Clock(self._dut.clk, PERIOD_NS, unit="ns").start()
        for name in ("rst", "take", "first", "lanes", "show", "place", "by_lane", "own", "shared", "carry", "bias"):
            getattr(self._dut, name).value = 0
        await RisingEdge(self._dut.clk)

    async def multiply(self, own: np.ndarray, shared: np.ndarray, carry: np.ndarray, bias: np.ndarray, lanes: int) -> None:
        """own [steps, lanes], shared [steps, kinds, rows], carry [steps, rows], bias [rows]: a step as often as the pattern
        moves, other values in between."""
        dut = self._dut
        for step in range(len(own)):
            while not next(self._steps):
                dut.take.value, dut.own.value = 0, pack(self.shapes["own"], (own[step] ^ 1).tolist())
                await RisingEdge(dut.clk)
            dut.take.value, dut.first.value, dut.lanes.value = 1, int(step == 0), lanes
            dut.own.value = pack(self.shapes["own"], own[step].tolist())
            dut.shared.value = pack(self.shapes["shared"], shared[step].tolist())
            dut.carry.value = pack_bits(carry[step])
            dut.bias.value = pack(self.shapes["bias"], bias.tolist())
            await RisingEdge(dut.clk)
        dut.take.value = 0
        await RisingEdge(dut.clk)  # the last step is in the sums after it

    async def sums(self) -> np.ndarray:
        """int64 [rows, lanes], read row by row; asserts that reading lane by lane gives the same."""
        by_row = np.array([await self._column(row, by_lane=False) for row in range(self.rows)])
        by_lane = np.array([await self._column(lane, by_lane=True) for lane in range(self.rows)])
        assert by_lane[:, : self.rows].T.tolist() == by_row[:, : self.rows].tolist()
        return by_row

    async def _column(self, place: int, *, by_lane: bool) -> list[int]:
        self._dut.place.value, self._dut.by_lane.value, self._dut.show.value = place, int(by_lane), 1
        await Timer(PERIOD_NS // 5, "ns")
        found = list(unpack(self.shapes["column"], int(self._dut.column.value)).values())
        self._dut.show.value = 0
        await Timer(PERIOD_NS // 5, "ns")
        assert int(self._dut.column.value) == 0, "sums are seen though nobody asked for them"
        return found


def pack_bits(bits: np.ndarray) -> int:
    return int(sum(int(bit) << place for place, bit in enumerate(bits)))


def operands(bench: ArrayBench, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """int64 own [steps, lanes], shared [steps, kinds, rows], carry [steps, rows], bias [rows]; run 0 has the largest products
    of either sign."""
    own = corners_then_random(OWN, STEPS * bench.lanes, seed).reshape(STEPS, bench.lanes)
    shared = corners_then_random(bench.shared, STEPS * bench.kinds * bench.rows, seed + 1)
    if seed == 0:
        own[:], shared[:] = OWN.min, np.where(np.arange(len(shared)) % 2, bench.shared.min, bench.shared.max)
    return (
        own,
        shared.reshape(STEPS, bench.kinds, bench.rows),
        np.random.default_rng(seed).integers(0, 2, (STEPS, bench.rows)),
        corners_then_random(BIAS, bench.rows + 3, seed + 2)[-bench.rows :],
    )


def golden(bench: ArrayBench, own: np.ndarray, shared: np.ndarray, carry: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """int64 [rows, lanes]: a dense layer of the row's operands for every lane."""
    layer = LinearLayer("array", STEPS, bench.rows, bench.lanes, OWN, IntFormat(bench.shared.bits + 1), None)
    weights = [(shared[:, kind] + carry).T for kind in range(bench.kinds)]
    kinds = [linear(own.T, LinearParameters(weight, bias, 0), layer) for weight in weights]
    return np.stack([kinds[lane % bench.kinds][lane] for lane in range(bench.lanes)], axis=1)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_sum_equals_the_golden_model(dut, stall):
    bench = ArrayBench(dut, stall)
    await bench.start()
    for seed in range(0, 40, 5):
        values = operands(bench, seed)
        await bench.multiply(*values, lanes=(1 << bench.lanes) - 1)
        assert (await bench.sums()).tolist() == golden(bench, *values).tolist(), seed


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def lanes_that_are_left_out_keep_their_sums(dut, stall):
    bench = ArrayBench(dut, stall)
    await bench.start()
    before, after = operands(bench, 3), operands(bench, 4)
    await bench.multiply(*before, lanes=(1 << bench.lanes) - 1)
    for lane in range(bench.lanes):
        await bench.multiply(*after, lanes=1 << lane)
        expected = golden(bench, *before)
        expected[:, : lane + 1] = golden(bench, *after)[:, : lane + 1]
        assert (await bench.sums()).tolist() == expected.tolist(), lane
