"""Which half of a region with two banks its block reads: the last good load's, from the next moment between two uses on."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.plan.memory import TWOFOLD, Region
from hw.rtl.load_port import LoadBus


class BankInUse(wiring.Component):
    """bank: the half of `region` that is read; it follows the load bus while `between`, and only then.

    settled: it has followed, so the other half may be written; one bit for each of TWOFOLD, those of other regions are 1. Like
    the memory it stands for, the choice is kept through reset.
    """

    def __init__(self, region: Region):
        if region.bank is None:
            raise ValueError(f"BankInUse: region {region.name} has one bank; there is nothing to choose")
        self._number = region.bank
        super().__init__({"bus": In(LoadBus()), "between": In(1), "bank": Out(1), "settled": Out(len(TWOFOLD))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept, wanted, late = Signal(reset_less=True), self.bus.bank[self._number], Signal(len(TWOFOLD))
        with m.If(self.between):
            m.d.sync += kept.eq(wanted)
        m.d.comb += [self.bank.eq(kept), late.eq((kept ^ wanted) << self._number), self.settled.eq(~late)]
        return m
