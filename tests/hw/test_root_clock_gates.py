"""Root clock gates: a block whose registers keep their values has no clock, and what it computes is the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.flow.root_clock_gates import UngateableError, _Editor, add_root_clock_gates
from hw.flow.synthesize import synthesize
from hw.power.cells import Cell, read_library
from hw.power.gate_simulator import LANES, GateSimulator, StreamPorts
from hw.power.netlist import read_netlist
from hw.power.simulation_tables import build_tables
from hw.rtl.emit import emit_component
from hw.targets import osu018
from hw.targets.process import Gate
from tests.hw.small_liberty import CELLS as SMALL_CELLS

GATE = Gate("CG", ("EN", "CK", "GCK"))


class Sum(wiring.Component):
    """o: the sum so far, a cycle after each value of i that is not 0."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(unsigned(4))), "o": Out(stream.Signature(unsigned(8)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total, waits = Signal(8), Signal()  # registers with an enable, and one without
        m.d.comb += [self.i.ready.eq(1), self.o.payload.eq(total), self.o.valid.eq(waits)]
        m.d.sync += waits.eq(self.i.valid & (self.i.payload != 0))
        with m.If(self.i.valid):
            m.d.sync += total.eq(total + self.i.payload)
        return m


class Blocks(wiring.Component):
    """Two blocks: the sum, and a counter that never rests."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(unsigned(4))), "o": Out(stream.Signature(unsigned(8))), "ticks": Out(4)})

    def elaborate(self, platform: object) -> Module:
        m, counter = Module(), Module()
        m.submodules.sum = block = Sum()
        ticks = Signal(4)
        counter.d.sync += ticks.eq(ticks + 1)
        m.submodules.counter = counter
        wiring.connect(m, wiring.flipped(self.i), block.i)
        wiring.connect(m, block.o, wiring.flipped(self.o))
        m.d.comb += self.ticks.eq(ticks)
        return m


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Cell]]:
    """The netlist of the two blocks in the cells of osu018, with a clock gate added to them."""
    folder = tmp_path_factory.mktemp("gated")
    verilog, *_ = emit_component(Blocks(), "blocks", folder / "verilog")
    process = osu018.load()
    liberty = folder / "gated.lib"
    liberty.write_text(process.typical.cells.read_text().rstrip().removesuffix("}") + SMALL_CELLS["CG"] + "\n}\n")
    corner = replace(process.typical, cells=liberty)
    process = replace(process, corners={"typ": corner}, clock_gate=GATE, macros=())
    synthesize([verilog], "blocks", process, folder)
    return folder, read_library(liberty).cells


@pytest.mark.synth
@pytest.mark.skipif(not osu018.CELLS.is_file(), reason="qflow-tech-osu018 is not installed")
def test_every_sum_comes_and_the_clock_moves_for_changes_alone(made: tuple[Path, dict[str, Cell]]) -> None:
    folder, cells = made
    netlist = read_netlist(folder / "netlist.json", cells, "blocks")
    nets = {name: tuple(port[1]) for name, port in netlist.ports.items()}
    streams = tuple(
        StreamPorts(name == "i", nets[f"{name}__payload"], nets[f"{name}__valid"][0], nets[f"{name}__ready"][0])
        for name in "io"
    )
    tables = build_tables(netlist, "clk")
    simulator = GateSimulator(tables, streams, seed=3)
    for port, value in (("rst", 1), ("o__ready", 1)):
        simulator.drive(netlist.ports[port][1][0], value)
    simulator.run(3)
    simulator.drive(netlist.ports["rst"][1][0], 0)
    simulator.take_counts()
    values = np.random.default_rng(4).integers(1, 16, (LANES, 20))
    simulator.feed(0, values)
    simulator.run(400)
    found = [lane[-values.shape[1] :].tolist() for lane in simulator.taken(1)]  # before: what was there before the reset
    assert found == (values.cumsum(axis=1) % 256).tolist()
    simulator.run(100)
    simulator.take_counts()
    simulator.run(50)  # nothing comes any more
    still = simulator.take_counts()
    gated = {netlist.net_names[net]: still.toggles[net] / LANES / 2 for net in tables.clock_nets if net != nets["clk"][0]}
    roots = {name: count for name, count in gated.items() if count}
    assert len(roots) == 1 and set(roots.values()) == {50}, gated  # the counter's; the sum has none


def module(cells: dict, clock: int = 2) -> dict:
    ports = {"clk": {"direction": "input", "bits": [clock]}}
    return {"attributes": {}, "ports": ports, "netnames": {}, "cells": cells}


def cell(kind: str, **pins: list) -> dict:
    return {"type": kind, "connections": pins}


def test_awake_is_the_or_of_enables_of_changes_and_of_accesses() -> None:
    block = module(
        {
            "gate": cell("CG", EN=[3], CK=[2], GCK=[4]),
            "plain": cell("$_DFF_P_", C=[2], D=[5], Q=[6]),
            "gated": cell("$_DFF_P_", C=[4], D=[7], Q=[8]),
            "enabled": cell("$_DFFE_PP_", C=[2], D=[7], Q=[9], E=[10]),
            "reset": cell("$_SDFF_PP0_", C=[2], D=[12], Q=[13], R=[14]),
            "memory": cell("RAM4X2", A_CLK=[2], A_MEN=[11]),
        }
    )
    design = {"modules": {"block": block, "top": module({"b": cell("block", clk=[2])})}}
    assert add_root_clock_gates(design, "top", "clk", GATE) == ["b"]
    added = {name: found for name, found in block["cells"].items() if name.startswith("awake")}
    drivers = {found["connections"]["Y"][0]: found for found in added.values()}

    def leaves(bit: int) -> set:
        if bit not in drivers:
            return {bit}
        pins = drivers[bit]["connections"]
        if drivers[bit]["type"] == "$_AND_":
            return {("where", *pins["B"], *leaves(pins["A"][0]))}
        if drivers[bit]["type"] == "$_XOR_":
            (following,), value = pins["A"], pins["B"][0]
            after_reset = drivers[following]["connections"] if following in drivers else {"A": [following], "B": []}
            return {("changes", *after_reset["A"], *after_reset["B"], value)}
        return leaves(pins["A"][0]) | leaves(pins["B"][0])

    (awake,) = block["ports"]["awake"]["bits"]
    assert leaves(awake) == {3, 11, ("changes", 5, 6), ("changes", 12, 14, 13), ("where", 10, ("changes", 7, 9))}
    top = design["modules"]["top"]["cells"]
    (gated,) = top["b"]["connections"]["clk"]
    assert top["b_clock"]["connections"] == {"EN": top["b"]["connections"]["awake"], "CK": [2], "GCK": [gated]}


def test_a_block_with_another_cell_on_the_clock_keeps_it() -> None:
    block = module({"latch": cell("$_DLATCH_P_", E=[2], D=[3], Q=[4])})
    design = {"modules": {"block": block, "top": module({"b": cell("block", clk=[2])})}}
    before = json.dumps(design)
    assert add_root_clock_gates(design, "top", "clk", GATE) == [] and json.dumps(design) == before
    with pytest.raises(UngateableError, match=r"block: \$_DLATCH_P_ on the clock"):
        _Editor(design, GATE).give_awake("block", "clk")
