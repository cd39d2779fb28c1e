"""The estimated clock tree: its buffers, its wires, and its energy in closed form, gated and per block."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hw.power.activity import Activity
from hw.power.cells import Cell
from hw.power.clock_tree import APART, SINKS_PER_BUFFER, Buffer, choose_buffer, levels, plan_clock_tree, sinks_of_a_buffer
from hw.power.engine import KINDS, SLEW_NS, Conditions, PowerEngine
from hw.power.netlist import Netlist
from hw.power.wire_load import CLOCK_WIRE_FF_PER_UM, TOUR
from tests.hw.small_liberty import small_cells
from tests.hw.small_netlists import make_netlist

SINKS, GATED = 30, 6
DFF_UM2, PIN_PF, BUFFER_PF, BUFFER_NW = 5.0, 0.02, 0.005, 6.0


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> dict[str, Cell]:
    return small_cells(tmp_path_factory.mktemp("liberty"))


def registers(cells: dict[str, Cell]) -> Netlist:
    """SINKS registers on the clock in block a."""
    made = {f"a.f{i}": ("DFF", {"CK": "clk", "D": f"q{i}", "Q": f"q{i}"}) for i in range(SINKS)}
    return make_netlist(cells, {"clk": ("input", ["clk"])}, made)


def gated(cells: dict[str, Cell]) -> Netlist:
    """A gate in block a, GATED registers behind it in block b."""
    made = {"a.g": ("CG", {"CK": "clk", "EN": "en", "GCK": "gck"})}
    made |= {f"b.f{i}": ("DFF", {"CK": "gck", "D": f"q{i}", "Q": f"q{i}"}) for i in range(GATED)}
    return make_netlist(cells, {"clk": ("input", ["clk"]), "en": ("input", ["en"])}, made)


def clocked(netlist: Netlist, rates: dict[str, float]) -> tuple[list[int], Activity]:
    """The clock nets and an activity in which nothing else moves."""
    toggles = np.zeros(netlist.nets)
    clocks = [netlist.net_names.index(name) for name in rates]
    toggles[clocks] = list(rates.values())
    return clocks, Activity(1, 1, toggles, np.full(netlist.nets, 0.5), {}, {})


def wire_pf(pins: int, area_um2: float) -> float:
    return TOUR * math.sqrt(pins * area_um2) * CLOCK_WIRE_FF_PER_UM * 1e-3


@pytest.mark.parametrize(
    ("sinks", "fanout", "expected"), [(1, 12, [1]), (12, 12, [1]), (13, 12, [2, 1]), (145, 12, [13, 2, 1]), (7, 2, [4, 2, 1])]
)
def test_every_level_drives_the_one_below_up_to_one_buffer(sinks, fanout, expected):
    assert levels(sinks, fanout) == expected


def test_a_tree_takes_its_wires_its_buffers_inputs_and_what_is_inside_them(cells):
    netlist, volt, rate = registers(cells), 2.0, 2.0
    clocks, activity = clocked(netlist, {"clk": rate})
    tree = plan_clock_tree(netlist, clocks, cells, SLEW_NS)
    assert tree.count == 4 and tree.buffer.cell == "BUF"  # three with ten registers each, one that drives them
    wires = wire_pf(SINKS, SINKS * DFF_UM2) + wire_pf(3, SINKS * DFF_UM2)
    mean_load = (SINKS * PIN_PF + wires + 3 * BUFFER_PF) / 4
    expected = 0.5 * volt**2 * (wires + 4 * BUFFER_PF) + 4 * (0.2 + mean_load)
    engine = PowerEngine(netlist, clocks)
    without, with_tree = (engine.evaluate(cells, activity, Conditions(volt, tree=found)) for found in (None, tree))
    added = with_tree.energy_pj - without.energy_pj
    assert added.sum() == pytest.approx(rate * expected, rel=1e-12)
    assert added[:, KINDS.index("clock")].sum() == pytest.approx(added.sum(), rel=1e-12)
    assert (with_tree.leakage_w - without.leakage_w).sum() == pytest.approx(4 * BUFFER_NW * 1e-9, rel=1e-12)
    assert tree.area_um2(cells) == 4 * 1.5


def test_a_gated_tree_moves_as_its_gate_lets_it_and_belongs_to_the_block_of_its_sinks(cells):
    netlist = gated(cells)
    engine, blocks = PowerEngine(netlist, clocked(netlist, {"clk": 2, "gck": 0})[0]), ["a"] + ["b"] * GATED
    spent = {}
    for rate in (0.0, 0.5, 2.0):
        clocks, activity = clocked(netlist, {"clk": 2.0, "gck": rate})
        tree = plan_clock_tree(netlist, clocks, cells, SLEW_NS)
        without, with_tree = (engine.evaluate(cells, activity, Conditions(1.0, tree=found)) for found in (None, tree))
        added = (with_tree.energy_pj - without.energy_pj).sum(axis=1)
        spent[rate] = {name: sum(added[i] for i, block in enumerate(blocks) if block == name) for name in "ab"}
    assert tree.count == 2  # one at the head of each net
    assert spent[0.0]["b"] == 0 and spent[0.0]["a"] > 0
    assert [spent[rate]["a"] for rate in (0.5, 2.0)] == pytest.approx([spent[0.0]["a"]] * 2, rel=1e-12)
    trunk = APART * math.sqrt(GATED * DFF_UM2 + 4) * CLOCK_WIRE_FF_PER_UM * 1e-3  # from the gate, in another block
    wires = wire_pf(GATED, GATED * DFF_UM2) + trunk
    whole = 0.5 * (wires + BUFFER_PF) + 0.2 + GATED * PIN_PF + wires
    assert spent[2.0]["b"] == pytest.approx(2.0 * whole, rel=1e-12)
    assert spent[0.5]["b"] == pytest.approx(0.5 * whole, rel=1e-12)


def test_a_library_without_buffers_leaves_wires_alone(cells):
    netlist = registers(cells)
    clocks, activity = clocked(netlist, {"clk": 2.0})
    tree = plan_clock_tree(netlist, clocks, {name: cell for name, cell in cells.items() if name != "BUF"}, SLEW_NS)
    assert (tree.buffer, tree.count, tree.area_um2(cells)) == (None, 0, 0.0)
    spent = tree.spent_pj(cells, activity, 1.0, SLEW_NS, len(netlist.instances))
    assert spent.sum() == pytest.approx(2 * 0.5 * wire_pf(SINKS, SINKS * DFF_UM2), rel=1e-12)


def test_a_buffer_drives_what_a_quarter_of_its_largest_load_holds():
    buffer = Buffer("BUF", "A", "Y", limit_pf=0.4)
    assert [sinks_of_a_buffer(buffer, pf) for pf in (0.0, 0.001, 0.02, 0.3)] == [SINKS_PER_BUFFER, SINKS_PER_BUFFER, 5, 2]


def test_the_buffer_is_the_cheapest_of_those_that_drive_most(cells):
    def scaled(name: str, energy: float, load: float) -> Cell:
        """BUF with `energy` times the internal energy, characterised up to `load` pF."""
        buffer = cells["BUF"]
        [group] = buffer.pins["Y"].energy
        tables = (replace(table, loads=table.loads * load, values=table.values * energy) for table in (group.rise, group.fall))
        rise, fall = tables
        pins = buffer.pins | {"Y": replace(buffer.pins["Y"], energy=[replace(group, rise=rise, fall=fall)])}
        return replace(buffer, name=name, pins=pins)

    weak, strong, stronger = scaled("weak", 0.01, 0.1), scaled("strong", 1.0, 2.0), scaled("stronger", 2.0, 4.0)
    offered = {cell.name: cell for cell in (weak, stronger, strong)}
    assert choose_buffer(offered, 0.02, SLEW_NS).cell == "strong"
    assert choose_buffer({"weak": weak}, 0.02, SLEW_NS).cell == "weak"
    assert choose_buffer({name: cells[name] for name in ("INV", "NAND2", "DFF", "CG")}, 0.02, SLEW_NS) is None
