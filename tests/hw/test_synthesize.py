"""Synthesis to cells and macros: a small engine with a memory, its netlist simulated against plain arithmetic."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.flow.block_names import block_of
from hw.flow.libraries import library_files, net_wires_pf, read_cells, used_macros
from hw.flow.synthesize import block_areas, synthesize
from hw.flow.timing import OPENSTA, analyse_timing
from hw.flow.tool import MissingTool
from hw.power.activity import to_activity
from hw.power.engine import Conditions, PowerEngine
from hw.power.gate_simulator import LANES, GateSimulator, StreamPorts
from hw.power.netlist import Netlist, read_netlist
from hw.power.netlist_verilog import write_verilog
from hw.power.sdf import delay_arrays, read_sdf
from hw.power.simulation_tables import build_tables
from hw.rtl.emit import emit_component
from hw.rtl.single_port_memory import SinglePortMemory
from hw.targets import osu018
from hw.targets.choose import find_process

DEPTH, COMMANDS = 300, 60
CLEAR, ADDRESS_BITS = 1 << 17, 9

pytestmark = pytest.mark.synth


class Tally(wiring.Component):
    """i: {value (8, signed), address (9), clear (1)}; o: what the address held (0 if clear) times value; adds value to it."""

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(unsigned(18))), "o": Out(stream.Signature(signed(20)))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = SinglePortMemory(depth=DEPTH, width=12)
        command, held = Signal(18), Signal(signed(12))
        value = command[:8].as_signed()
        m.d.comb += [
            memory.address.eq(Mux(self.i.ready, self.i.payload[8:17], command[8:17])),
            held.eq(Mux(command[17], 0, memory.read_data.as_signed())),
            memory.write_data.eq(held + value),
            self.o.payload.eq(held * value),
        ]
        with m.FSM():
            with m.State("READ"):
                m.d.comb += [self.i.ready.eq(1), memory.enable.eq(self.i.valid)]
                with m.If(self.i.valid):
                    m.d.sync += command.eq(self.i.payload)
                    m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += [self.o.valid.eq(1), memory.enable.eq(self.o.ready), memory.write.eq(1)]
                with m.If(self.o.ready):
                    m.next = "READ"
        return m


def tally(commands: np.ndarray) -> list[int]:
    held, found = {}, []
    for command in commands.tolist():
        value, address = (command & 255) - 2 * (command & 128), command >> 8 & 511
        before = 0 if command & CLEAR else held[address]
        found.append(before * value)
        held[address] = (before + value + 2048) % 4096 - 2048
    return found


def make_commands(rng: np.random.Generator) -> np.ndarray:
    """Every address is cleared before it is used, in both banks of the memory."""
    addresses = np.array([0, 5, 255, 256, DEPTH - 1])
    first = addresses << 8 | rng.integers(0, 256, len(addresses)) | CLEAR
    return np.concatenate([first, rng.choice(addresses, COMMANDS) << 8 | rng.integers(0, 256, COMMANDS)])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            "osu018", marks=pytest.mark.skipif(not osu018.CELLS.is_file(), reason="qflow-tech-osu018 is not installed")
        ),
        pytest.param(
            "ihp_sg13g2",
            marks=pytest.mark.skipif(
                not (Path(os.environ.get("PDK_ROOT", "none")) / "ihp-sg13g2").is_dir(), reason="PDK_ROOT holds no ihp-sg13g2"
            ),
        ),
    ],
)
def made(request, tmp_path_factory):
    """(process, folder, tilings, netlist) of the engine on one target."""
    folder = tmp_path_factory.mktemp(request.param)
    verilog, *_ = emit_component(Tally(), "tally", folder / "verilog")
    process = find_process(request.param)
    tilings = synthesize([verilog], "tally", process, folder)
    macros = used_macros(process, folder / "netlist.json")
    cells = read_cells(library_files(process, "typ", macros, folder))
    return process, folder, tilings, read_netlist(folder / "netlist.json", cells, "tally"), cells


def ports_of(netlist: Netlist) -> tuple[StreamPorts, StreamPorts]:
    nets = {name: tuple(port[1]) for name, port in netlist.ports.items()}
    return tuple(
        StreamPorts(name == "i", nets[f"{name}__payload"], nets[f"{name}__valid"][0], nets[f"{name}__ready"][0])
        for name in "io"
    )


def run(netlist: Netlist, delays=None, cycles: int = 0) -> tuple[GateSimulator, np.ndarray, list]:
    simulator = GateSimulator(build_tables(netlist, "clk"), ports_of(netlist), seed=9)
    if delays is not None:
        simulator.set_delays(*delays)
    for port, value in (("rst", 1), ("o__ready", 0)):
        simulator.drive(netlist.ports[port][1][0], value)
    simulator.run(4)
    for port, value in (("rst", 0), ("o__ready", 1)):
        simulator.drive(netlist.ports[port][1][0], value)
    simulator.take_counts()
    rng = np.random.default_rng(1)
    commands = np.stack([make_commands(rng) for _ in range(LANES)])
    simulator.feed(0, commands)
    simulator.run(1000, until=(1, commands.shape[1]), sample_every=1 if delays is not None else 0)
    return simulator, commands, simulator.taken(1)


def test_the_memory_lies_in_macros_and_the_rest_in_cells(made):
    _, folder, tilings, netlist, _ = made
    [tiling] = tilings.values()
    assert (tiling.depth, tiling.width) == (DEPTH, 12)
    macros = [instance for instance in netlist.instances if instance.cell.memory]
    assert len(macros) == tiling.banks * len(tiling.columns) > 0
    assert (folder / "memories.txt").read_text() == f"tally_memory: {tiling.description}\n"
    assert not [i for i in netlist.instances if i.cell.is_latch]
    registers = sum(i.cell.kind == "registers" for i in netlist.instances)
    assert 18 < registers < 40  # command, state, bank: none of the 3600 bits of the memory
    areas = block_areas(netlist)
    assert sum(areas["memory"].values()) + sum(areas["top"].values()) == pytest.approx(
        netlist.cell_area_um2 + netlist.macro_area_um2
    )


def test_the_netlist_computes_what_the_engine_is_for(made):
    _, commands, taken = run(made[3])
    for lane in range(LANES):
        found = np.where(taken[lane] >> 19 & 1, taken[lane] - (1 << 20), taken[lane])
        assert found.tolist() == tally(commands[lane])


def test_every_command_is_one_read_and_one_write(made):
    process, _, _, netlist, cells = made
    simulator, commands, _ = run(netlist)
    tables = build_tables(netlist, "clk")
    counts = simulator.take_counts()
    columns = sum(instance.cell.memory is not None for instance in netlist.instances) // -(
        -DEPTH // made[2]["tally_memory"].bank_depth
    )
    assert counts.reads.sum() == counts.writes.sum() == commands.size * columns
    activity = to_activity(counts, tables, LANES)
    found = PowerEngine(netlist, tables.clock_nets).evaluate(cells, activity, Conditions(process.typical.voltage))
    tiling = made[2]["tally_memory"]
    accesses_pj = commands.shape[1] * (tiling.read_pj + sum(macro.write_pj for macro in tiling.columns)) / counts.cycles
    memories_pj = found.energy_pj[:, 3].sum()
    assert accesses_pj <= memories_pj < 1.1 * accesses_pj  # address and data pins come on top


def test_delays_from_the_timing_tool_settle_to_the_same_values_with_glitches(made):
    process, folder, _, netlist, _ = made
    try:
        OPENSTA.path()
    except MissingTool as missing:
        pytest.skip(str(missing))
    timing = analyse_timing(netlist, process, used_macros(process, folder / "netlist.json"), 1000, "clk", folder)
    assert timing["typ"].slack_ns > 900 and timing["typ"].fmax_mhz < timing["typ"].fmax_without_wires_mhz
    tables = build_tables(netlist, "clk")
    delays = delay_arrays(tables, read_sdf(folder / "cells_typ.sdf"))
    assert all((d > 0).mean() > 0.95 for d in delays[:2])
    simulator, _, _ = run(netlist, delays)
    delayed, settled, sampled = simulator.delayed_counts()
    assert sampled > COMMANDS and delayed.sum() > 1.2 * settled.sum() > 0
    assert net_wires_pf(netlist, tables.clock_nets, process).sum() > 0


def test_leakage_agrees_with_the_timing_tool(made):
    """The one number of OpenSTA's power report that can be trusted: the sum of cell_leakage_power, to the digits it prints."""
    process, folder, _, netlist, _ = made
    try:
        sta = OPENSTA.path()
    except MissingTool as missing:
        pytest.skip(str(missing))
    libraries = library_files(process, "typ", used_macros(process, folder / "netlist.json"), folder)
    write_verilog(netlist, folder / "leakage.v")
    commands = [f"read_liberty {{{path}}}" for path in libraries]
    commands += ["read_verilog leakage.v", "link_design tally", "create_clock -name clk -period 100 [get_ports clk]"]
    commands += ["set_power_activity -global -activity 0.1 -duty 0.5", "report_power -digits 6"]
    (folder / "leakage.tcl").write_text("\n".join(commands) + "\n")
    report = subprocess.run([sta, "-exit", "leakage.tcl"], cwd=folder, capture_output=True, text=True, check=True).stdout
    total = next(line.split() for line in report.splitlines() if line.startswith("Total"))
    assert sum(instance.cell.leakage_w for instance in netlist.instances) == pytest.approx(float(total[3]), rel=1e-5)


@pytest.mark.parametrize(
    ("instance", "block"),
    [
        ("block0_attention.query.core.u12", "block0_query"),
        ("block1_feed_forward.fork.u1", "block1_residual"),
        ("block1_feed_forward.u1", "block1_residual"),
        ("tokenizer.wavelet_bank.step.filters.u3", "wavelet_bank"),
        ("tokenizer.u3", "tokenizer"),
        ("embed.weights.memory.macro_0_1", "embed"),
        ("u7", "top"),
    ],
)
def test_an_instance_belongs_to_the_block_its_name_says(instance, block):
    assert block_of(instance) == block
