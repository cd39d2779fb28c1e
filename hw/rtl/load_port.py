"""The weight load port: framed bytes -> words on the load bus, guarded by a checksum and a lock (docs/blocks/load_port.md)."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hw.plan.memory import FRAME_START, TWOFOLD, Region

CHECKSUM_BYTES = 4


class LoadBus(wiring.Signature):
    """Words on their way into the loadable memories: `data` belongs at `address` of region number `region` while `strobe`.

    Every memory listens and takes what is its own, at once: nothing can hold the bus off.
    bank: for each of TWOFOLD the half with the last good load.
    """

    def __init__(self) -> None:
        words = {"region": Out(8), "address": Out(16), "data": Out(64), "strobe": Out(1)}
        super().__init__(words | {"bank": Out(len(TWOFOLD))})


class LoadPort(wiring.Component):
    """Load frames to memory words.

    i: stream of bytes, frames as hw.plan.memory.load_frames makes them; zeros between frames are skipped.
    bus: one word per strobe. loaded: every region holds a load whose checksum was right. error: the last frame had a wrong
    checksum, region or length. refused: the last frame met `armed`; it left no trace from then on.
    A region counts as not loaded from its frame's first word until its checksum is right. With `preloaded` every region
    starts as loaded at power-up (not at reset, which cannot bring back what was overwritten).
    Of a region with two banks the one that is not in use is written, and the region stays loaded; settled: for each of TWOFOLD
    whether `bus.bank` is in use, until when words of that region wait.
    Throughput 1 byte per cycle, 2 cycles for a frame's last byte.
    """

    def __init__(self, regions: tuple[Region, ...], *, preloaded: bool):
        self.regions, self.preloaded = regions, preloaded
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "armed": In(1),
                "settled": In(len(TWOFOLD), init=(1 << len(TWOFOLD)) - 1),
                "bus": Out(LoadBus()),
                "loaded": Out(1),
                "error": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checksum = checksum = CRC32_ISO_HDLC(data_width=8).create()
        count = len(self.regions)
        # Kept through reset where the bitstream presets it: only power-up brings preset memories back.
        good = Signal(count, init=(1 << count) - 1 if self.preloaded else 0, reset_less=self.preloaded)
        byte, taken, refused = self.i.payload, self.i.valid & self.i.ready, self.refused
        region, word = Signal(range(count)), Signal(range(max(entry.depth for entry in self.regions)))
        address = Signal(range(max(entry.words for entry in self.regions)))
        data, strobe = Signal(8 * max(entry.word_bytes for entry in self.regions), reset_less=True), Signal()
        place = Signal(range(max(CHECKSUM_BYTES, len(data) // 8)))
        last_place, last_word = Signal.like(place), Signal.like(word)
        mine_of_banks, bank = Signal(len(TWOFOLD)), Signal(len(TWOFOLD), reset_less=self.preloaded)
        twofold, waits = mine_of_banks.any(), (mine_of_banks & ~self.settled).any()
        first_address = Signal(range(1 + max((region.depth for region in self.regions if region.bank is not None), default=0)))
        m.d.comb += [
            self.loaded.eq(good.all()),
            self.bus.region.eq(region),
            self.bus.address.eq(address),
            self.bus.data.eq(data),
            self.bus.strobe.eq(strobe),
            self.bus.bank.eq(bank),
            checksum.data.eq(byte),
        ]
        proved = Signal()
        # whole-vector masks: written bit by bit, these registers would be the dearest of the decoder to simulate
        mine = (1 << region)[:count]
        m.d.sync += strobe.eq(0)
        with m.If((strobe & ~twofold) | proved):
            m.d.sync += good.eq(Mux(proved, good | mine, good & ~mine))
        with m.If(proved):
            m.d.sync += bank.eq(bank ^ mine_of_banks)
        with m.FSM():
            with m.State("START"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(taken & (byte == FRAME_START)):
                    m.d.sync += [self.error.eq(0), refused.eq(self.armed)]
                    m.next = "REGION"
                with m.Elif(taken & (byte != 0)):
                    m.d.sync += self.error.eq(1)
            with m.State("REGION"):
                m.d.comb += [self.i.ready.eq(1), checksum.start.eq(taken), checksum.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += [region.eq(byte), refused.eq(refused | self.armed), word.eq(0), place.eq(0)]
                    with m.Switch(byte):
                        for entry in self.regions:
                            with m.Case(entry.index):
                                m.d.sync += [
                                    last_place.eq(entry.word_bytes - 1),
                                    last_word.eq(entry.depth - 1),
                                    mine_of_banks.eq(0 if entry.bank is None else 1 << entry.bank),
                                    first_address.eq(0 if entry.bank is None else Mux(bank[entry.bank], 0, entry.depth)),
                                ]
                    m.next = "WORDS"
                with m.If(taken & (byte >= count)):
                    m.d.sync += self.error.eq(1)
                    m.next = "START"
            with m.State("WORDS"):
                m.d.comb += [self.i.ready.eq(~waits), checksum.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += [
                        data.eq(Mux(place == 0, 0, data) | (byte << (place << 3))),
                        refused.eq(refused | self.armed),
                        place.eq(place + 1),
                    ]
                with m.If(taken & (place == last_place)):
                    m.d.sync += [
                        strobe.eq(~(refused | self.armed)),
                        address.eq(first_address + word),
                        word.eq(word + 1),
                        place.eq(0),
                    ]
                    with m.If(word == last_word):
                        m.next = "CHECKSUM"
            with m.State("CHECKSUM"):
                m.d.comb += [self.i.ready.eq(1), checksum.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += [place.eq(place + 1), refused.eq(refused | self.armed)]
                with m.If(taken & (place == CHECKSUM_BYTES - 1)):
                    m.next = "VERDICT"
            with m.State("VERDICT"):
                m.d.sync += self.error.eq(~checksum.match_detected)
                m.d.sync += refused.eq(refused | self.armed)
                m.d.comb += proved.eq(checksum.match_detected & ~refused & ~self.armed)
                m.next = "START"
        return m
