"""Units side by side as one module, so that one synthesis and one simulation measure them all."""

from collections.abc import Mapping

from amaranth.hdl import Module, Shape, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

READY = "ready"


class UnitBench(wiring.Component):
    """Each unit under its name, with its ports as `<unit>_<port>`.

    Every input has a `<unit>_<port>_valid` that nothing looks at, and `ready` is always 1: for the gate simulator each port is
    a stream of a value per cycle. Units have plain ports, and between outputs and inputs at most registers of their own.
    """

    def __init__(self, units: Mapping[str, wiring.Component]):
        self._units = dict(units)
        ports: dict[str, wiring.Member] = {READY: Out(1)}
        for unit, component in self._units.items():
            for port, member in component.signature.members.items():
                flow = In if member.flow == wiring.In else Out
                ports[f"{unit}_{port}"] = flow(unsigned(Shape.cast(member.shape).width))
                if member.flow == wiring.In:
                    ports[f"{unit}_{port}_valid"] = In(1)
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += getattr(self, READY).eq(1)
        for unit, component in self._units.items():
            m.submodules[unit] = component
            for port, member in component.signature.members.items():
                outside, inside = getattr(self, f"{unit}_{port}"), Value.cast(getattr(component, port))
                m.d.comb += inside.eq(outside) if member.flow == wiring.In else outside.eq(inside)
        return m
