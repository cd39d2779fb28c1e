"""One memory, one port: what a synchronous SRAM macro does, and nothing it cannot."""

from collections.abc import Iterable

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Access(wiring.Signature):
    """What a memory of `depth` words is asked for, its data apart."""

    def __init__(self, depth: int):
        super().__init__({"address": Out(range(depth)), "enable": Out(1), "write": Out(1)})


class SinglePortMemory(wiring.Component):
    """`depth` words of `width` bits behind a single read/write port.

    enable & write: `write_data` is stored at `address`. enable & ~write: the word at `address` appears on `read_data` in the
    next cycle and stays there until the next read. Contents are `init` where the technology can preset them (simulation and
    FPGA), unknown in silicon. Reset leaves contents alone.
    """

    def __init__(self, *, depth: int, width: int, init: Iterable[int] = ()):
        self.depth, self.width = depth, width
        self._memory = Memory(shape=width, depth=depth, init=init)
        super().__init__(
            {
                "address": In(range(depth)),
                "enable": In(1),
                "write": In(1),
                "write_data": In(width),
                "read_data": Out(width),
            }
        )

    def follow(self, m: Module, access: wiring.PureInterface) -> None:
        """Do what `access`, an interface of `Access`, asks for."""
        m.d.comb += [self.address.eq(access.address), self.enable.eq(access.enable), self.write.eq(access.write)]

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = self._memory
        write_port, read_port = self._memory.write_port(), self._memory.read_port()
        m.d.comb += [
            write_port.addr.eq(self.address),
            write_port.data.eq(self.write_data),
            write_port.en.eq(self.enable & self.write),
            read_port.addr.eq(self.address),
            read_port.en.eq(self.enable & ~self.write),
            self.read_data.eq(read_port.data),
        ]
        return m
