"""Regions of the load port as one memory: written by the load bus, read by its block."""

from collections.abc import Iterable

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.plan.memory import Region
from hw.rtl.load_port import LoadBus
from hw.rtl.single_port_memory import SinglePortMemory


class LoadableMemory(wiring.Component):
    """The words of `regions`, region after region, where there are two banks one after the other.

    enable: the word at `address` appears on `read_data` in the next cycle and stays there. bus: the load bus; a load in the
    same cycle as a read wins, and the read is lost.
    loading: the bus carries a word for this memory. `init`: contents at power-up, where the technology can preset them.
    """

    def __init__(self, *regions: Region, init: Iterable[int] = ()):
        numbers = [region.index for region in regions]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise ValueError(f"LoadableMemory: regions {numbers} do not follow each other; number them one after the other")
        self.regions, self._init = regions, init
        self.depth, self.width = sum(region.words for region in regions), max(region.width for region in regions)
        super().__init__(
            {
                "bus": In(LoadBus()),
                "address": In(range(self.depth)),
                "enable": In(1),
                "read_data": Out(self.width),
                "loading": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = SinglePortMemory(depth=self.depth, width=self.width, init=self._init)
        first, last = self.regions[0].index, self.regions[-1].index
        number = self.bus.region
        beyond_first = number >= first if first else Const(1)
        is_mine = number == first if first == last else beyond_first & (number <= last)
        first_word, start = Signal(range(self.depth)), 0
        with m.Switch(self.bus.region):
            for region in self.regions:
                with m.Case(region.index):
                    m.d.comb += first_word.eq(start)
                start += region.words
        m.d.comb += [
            self.loading.eq(self.bus.strobe & is_mine),
            memory.enable.eq(self.enable | self.loading),
            memory.write.eq(self.loading),
            memory.write_data.eq(self.bus.data),
            memory.address.eq(self.address),
            self.read_data.eq(memory.read_data),
        ]
        with m.If(self.loading):
            m.d.comb += memory.address.eq(first_word + self.bus.address)
        return m
