"""A block that breaks the stream rules on demand, and the stream bench that must catch every fault."""

import cocotb
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from rtl_sim import stalls
from rtl_sim.stream_bench import StreamBench, StreamRuleBroken

NONE, VALID_FALLS, PAYLOAD_CHANGES, STOPS, ONE_TOO_MANY, WRONG_VALUE = range(6)


class Faulty(wiring.Component):
    """A register in a stream, or one of five ways to do it wrong from the tenth value on."""

    def __init__(self):
        shape = stream.Signature(signed(8))
        super().__init__({"i": In(shape), "o": Out(shape), "fault": In(3)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        taken = Signal(8)
        late = Signal()
        extra = Signal()
        m.d.comb += late.eq(taken >= 10)
        m.d.comb += self.i.ready.eq((~self.o.valid | self.o.ready) & ~((self.fault == STOPS) & late))
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(self.i.valid & self.i.ready)
            m.d.sync += self.o.payload.eq(self.i.payload ^ ((self.fault == WRONG_VALUE) & late))
        with m.Elif(late):
            with m.If(self.fault == VALID_FALLS):
                m.d.sync += self.o.valid.eq(0)
            with m.If(self.fault == PAYLOAD_CHANGES):
                m.d.sync += self.o.payload.eq(self.o.payload + 1)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += taken.eq(taken + 1)
        with m.If((self.fault == ONE_TOO_MANY) & (taken == 100) & ~self.i.valid & self.o.ready & ~extra):
            m.d.sync += [self.o.valid.eq(1), extra.eq(1)]
        return m


VARIANTS = {"one": Faulty}
VALUES = [(7 * i) % 256 - 128 for i in range(100)]


async def run(dut, fault: int, stall: stalls.Stall) -> list[int]:
    bench = StreamBench(dut, stall, block=Faulty(), watchdog_cycles=500)
    await bench.reset()
    dut.fault.value = fault
    return await bench.run(VALUES, reset=False)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def a_correct_block_passes(dut, stall):
    assert await run(dut, NONE, stall) == VALUES


@cocotb.test()
@cocotb.parametrize(stall=[stalls.half, stalls.bursts])
async def a_valid_that_falls_is_caught(dut, stall):
    with pytest.raises(StreamRuleBroken, match=r"o: valid fell before value \d+ was taken"):
        await run(dut, VALID_FALLS, stall)


@cocotb.test()
@cocotb.parametrize(stall=[stalls.half, stalls.bursts])
async def a_payload_that_changes_is_caught(dut, stall):
    with pytest.raises(StreamRuleBroken, match=r"o: payload of value \d+ changed from 0x[0-9a-f]+ to 0x[0-9a-f]+"):
        await run(dut, PAYLOAD_CHANGES, stall)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def a_block_that_stops_is_named_with_its_streams(dut, stall):
    with pytest.raises(
        StreamRuleBroken, match=r"500 cycles: input i stands at 10 of 100 \(valid=1, ready=0\); output o stands at 10"
    ):
        await run(dut, STOPS, stall)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def a_value_too_many_is_caught(dut, stall):
    with pytest.raises(StreamRuleBroken, match="o: a value too many after 100 expected ones"):
        await run(dut, ONE_TOO_MANY, stall)


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def a_wrong_value_shows_in_the_result(dut, stall):
    found = await run(dut, WRONG_VALUE, stall)
    assert found[:10] == VALUES[:10]
    assert found[10:] == [value ^ 1 for value in VALUES[10:]]
