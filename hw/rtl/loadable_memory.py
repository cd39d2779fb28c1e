"""A region of the load port as a memory: written by the load bus, read by its block."""

from collections.abc import Iterable

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.plan.memory import Region
from hw.rtl.load_port import LoadBus, is_for
from hw.rtl.single_port_memory import SinglePortMemory


class LoadableMemory(wiring.Component):
    """The words of `region`. enable: the word at `address` appears on `read_data` in the next cycle and stays there.

    bus: the load bus; a load in the same cycle as a read wins, and the read is lost (nothing decodes while a region loads).
    `init`: contents at power-up, where the technology can preset them.
    """

    def __init__(self, region: Region, *, init: Iterable[int] = ()):
        self.region, self._init = region, init
        super().__init__(
            {
                "bus": In(LoadBus()),
                "address": In(range(region.depth)),
                "enable": In(1),
                "read_data": Out(region.width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = SinglePortMemory(depth=self.region.depth, width=self.region.width, init=self._init)
        load = is_for(self.bus, self.region)
        m.d.comb += [
            memory.enable.eq(self.enable | load),
            memory.write.eq(load),
            memory.write_data.eq(self.bus.data),
            memory.address.eq(self.address),
            self.read_data.eq(memory.read_data),
        ]
        with m.If(load):
            m.d.comb += memory.address.eq(self.bus.address)
        return m
