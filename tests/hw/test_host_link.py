"""The prototype's link: bytes on a serial line become samples, decisions become bytes, and lost bytes cost one frame only."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from designs.number_format import INT12, UINT8, IntFormat
from hw.rtl.host_link import DecisionSender, SampleReceiver, decode_decisions, encode_samples
from hw.rtl.uart import UartReceiver, UartTransmitter

CHANNELS, DIVISOR, READOUT = 3, 5, IntFormat(19)


def run(module, *processes):
    sim = Simulator(module)
    sim.add_clock(1e-6)
    for process in processes:
        sim.add_testbench(process)
    sim.run()


def samples_after(sent: bytes, expected: int, sample: IntFormat = INT12) -> tuple[list[int], int]:
    """Send bytes over a real serial line; collect `expected` samples and the misaligned flag."""
    m = Module()
    m.submodules.transmitter = transmitter = UartTransmitter(divisor=DIVISOR)
    m.submodules.receiver = receiver = UartReceiver(divisor=DIVISOR)
    m.submodules.samples = samples = SampleReceiver(sample=sample, channels=CHANNELS)
    m.d.comb += receiver.rx.eq(transmitter.tx)
    wiring.connect(m, receiver.o, samples.i)
    found: list[int] = []
    flags: list[int] = []

    async def send(ctx):
        for byte in sent:
            ctx.set(transmitter.i.payload, byte)
            ctx.set(transmitter.i.valid, 1)
            await ctx.tick().until(transmitter.i.ready)
        ctx.set(transmitter.i.valid, 0)

    async def collect(ctx):
        ctx.set(samples.o.ready, 1)
        for _ in range(expected):
            (value,) = await ctx.tick().sample(samples.o.payload).until(samples.o.valid)
            found.append(value)
        flags.append(ctx.get(samples.misaligned))

    run(m, send, collect)
    return found, flags[0]


FRAMES = np.array([[-2048, 2047, -1], [5, 0, 1234], [-77, 8, 9]])


def test_samples_arrive_as_sent():
    assert samples_after(encode_samples(FRAMES), FRAMES.size) == (FRAMES.ravel().tolist(), 0)


def test_counts_have_no_sign():
    counts = np.array([[255, 128, 0], [1, 127, 200]])
    assert samples_after(encode_samples(counts), counts.size, UINT8) == (counts.ravel().tolist(), 0)


@pytest.mark.parametrize("lost", range(6, 12))
def test_a_lost_byte_spoils_one_frame_and_no_more(lost):
    sent = encode_samples(FRAMES)
    found, misaligned = samples_after(sent[:lost] + sent[lost + 1 :], 9 if lost >= 8 else 6)
    assert misaligned == 1
    assert found[:3] == FRAMES[0].tolist()
    assert found[-3:] == FRAMES[2].tolist()


@pytest.mark.parametrize("lines", [0, 1, 3])
def test_decisions_arrive_as_decided(lines):
    m = Module()
    outputs = 4
    m.submodules.sender = sender = DecisionSender(outputs=outputs, readout=READOUT)
    m.submodules.transmitter = transmitter = UartTransmitter(divisor=DIVISOR)
    m.submodules.receiver = receiver = UartReceiver(divisor=DIVISOR)
    wiring.connect(m, sender.o, transmitter.i)
    m.d.comb += receiver.rx.eq(transmitter.tx)
    decisions = [(i % outputs, [READOUT.min, READOUT.max, i, -i]) for i in range(lines)]
    received = bytearray()

    async def send(ctx):
        for decision, values in decisions:
            for i, value in enumerate(values):
                ctx.set(sender.i.payload, {"value": value, "decision": decision, "last": i == outputs - 1})
                ctx.set(sender.i.valid, 1)
                await ctx.tick().until(sender.i.ready)
                ctx.set(sender.i.valid, 0)

    async def collect(ctx):
        ctx.set(receiver.o.ready, 1)
        for _ in range(lines * (2 + 4 * outputs)):
            (byte,) = await ctx.tick().sample(receiver.o.payload).until(receiver.o.valid)
            received.append(byte)

    run(m, send, collect)
    assert list(decode_decisions(bytes(received), outputs)) == decisions


def test_a_stream_of_decisions_that_lost_its_mark_is_refused():
    with pytest.raises(ValueError, match="byte 0 is 0x00 where a decision starts with 0xd5"):
        list(decode_decisions(bytes(18), 4))
