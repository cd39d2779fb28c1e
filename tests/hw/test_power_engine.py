"""The power engine on circuits whose energy is known in closed form."""

import numpy as np
import pytest

from hw.power.activity import Activity, to_activity
from hw.power.cells import Cell
from hw.power.engine import KINDS, Conditions, PowerEngine
from hw.power.gate_simulator import LANES, GateSimulator, StreamPorts
from hw.power.netlist import Netlist
from hw.power.simulation_tables import build_tables
from tests.hw.small_liberty import small_cells
from tests.hw.small_netlists import make_netlist

CYCLES = 64


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> dict[str, Cell]:
    return small_cells(tmp_path_factory.mktemp("liberty"))


def simulate(netlist: Netlist, drive: dict[str, int], cycles: int = CYCLES) -> tuple[Activity, list[int]]:
    """Activity of `cycles` cycles with constant inputs, and the clock nets."""
    tables = build_tables(netlist, "clk")
    simulator = GateSimulator(tables, (), seed=3)
    for port, value in drive.items():
        simulator.drive(netlist.ports[port][1][0], value)
    simulator.run(8)
    simulator.take_counts()
    simulator.run(cycles)
    return to_activity(simulator.take_counts(), tables, LANES), tables.clock_nets


def toggling(netlist: Netlist, rates: dict[str, float], ones: dict[str, float] | None = None) -> Activity:
    """An activity written down: toggles per cycle by net name."""
    toggles, high = np.zeros(netlist.nets), np.full(netlist.nets, 0.5)
    for name, rate in rates.items():
        toggles[netlist.net_names.index(name)] = rate
    for name, share in (ones or {}).items():
        high[netlist.net_names.index(name)] = share
    return Activity(100, 1, toggles, high, {}, {})


def kinds(energy_pj: np.ndarray) -> dict[str, float]:
    return dict(zip(KINDS, energy_pj.sum(axis=0).tolist(), strict=True))


def test_an_inverter_chain_takes_its_table_and_half_c_v_squared(cells):
    chain = {f"i{k}": ("INV", {"A": f"n{k}", "Y": f"n{k + 1}"}) for k in range(3)}
    netlist = make_netlist(cells, {"a": ("input", ["n0"]), "y": ("output", ["n3"])}, chain)
    activity = toggling(netlist, {f"n{k}": 0.5 for k in range(4)})
    found = PowerEngine(netlist, []).evaluate(cells, activity, Conditions(voltage=2.0))
    loaded, last = 0.2 + 0.01 + 0.5 * 0.01 * 4, 0.2  # the last inverter drives nothing
    assert found.total_pj == pytest.approx(0.5 * (2 * loaded + last) + 0.5 * 0.5 * 0.01 * 4, rel=1e-12)
    assert found.inputs_pj == pytest.approx(0.5 * 0.5 * 0.01 * 4, rel=1e-12)


def test_wires_add_to_the_load_of_the_table_and_of_the_switching(cells):
    netlist = make_netlist(cells, {"a": ("input", ["n0"]), "y": ("output", ["n1"])}, {"i": ("INV", {"A": "n0", "Y": "n1"})})
    wire = np.zeros(netlist.nets)
    wire[netlist.net_names.index("n1")] = 0.5
    found = PowerEngine(netlist, []).evaluate(cells, toggling(netlist, {"n1": 1.0}), Conditions(1.0, wire))
    assert found.energy_pj.sum() == pytest.approx(0.2 + 0.5 + 0.5 * 0.5, rel=1e-12)


def test_leakage_follows_the_state(cells):
    netlist = make_netlist(cells, {"a": ("input", ["n0"])}, {"i": ("INV", {"A": "n0", "Y": "n1"})})
    found = PowerEngine(netlist, []).evaluate(cells, toggling(netlist, {}, {"n0": 0.25}), Conditions(1.0))
    assert found.leakage_w.sum() == pytest.approx((0.25 * 3 + 0.75 * 1) * 1e-9, rel=1e-12)


def test_an_output_toggle_is_shared_by_how_often_the_inputs_toggle(cells):
    pins = {"A": "a", "B": "b", "Y": "y"}
    netlist = make_netlist(cells, {"i": ("input", ["a", "b"])}, {"g": ("NAND2", pins)})
    found = PowerEngine(netlist, []).evaluate(cells, toggling(netlist, {"a": 0.3, "b": 0.1, "y": 0.2}), Conditions(1.0))
    assert found.energy_pj.sum() == pytest.approx(0.2 * (0.75 * 0.1 + 0.25 * 0.3), rel=1e-12)


def ring_counter(cells: dict[str, Cell]) -> Netlist:
    """Two registers and an inverter: each register toggles every second cycle."""
    return make_netlist(
        cells,
        {"clk": ("input", ["clk"])},
        {
            "f0": ("DFF", {"CK": "clk", "D": "nq1", "Q": "q0"}),
            "f1": ("DFF", {"CK": "clk", "D": "q0", "Q": "q1"}),
            "i": ("INV", {"A": "q1", "Y": "nq1"}),
        },
    )


def test_a_ring_counter_simulated_and_summed(cells):
    netlist = ring_counter(cells)
    activity, clocks = simulate(netlist, {})
    assert [activity.toggles[netlist.net_names.index(name)] for name in ("clk", "q0", "q1", "nq1")] == [2.0, 0.5, 0.5, 0.5]
    found = kinds(PowerEngine(netlist, clocks).evaluate(cells, activity, Conditions(1.0)).energy_pj)
    # registers: Q toggles 0.5 times each; q0 loads D, q1 loads the inverter's A
    assert found["registers"] == pytest.approx(0.5 * (0.5 + 0.5) + 0.5 * 0.5 * 0.01 * 2, rel=1e-12)
    # clock: two toggles a cycle on two pins, D high half of the time
    assert found["clock"] == pytest.approx(2 * 2 * (0.5 * 0.4 + 0.5 * 0.1) + 2 * 0.5 * 0.04, rel=1e-12)
    assert found["logic"] == pytest.approx(0.5 * (0.2 + 0.01) + 0.5 * 0.5 * 0.01, rel=1e-12)
    assert found["memories"] == 0


def test_a_binary_counter_toggles_its_bits_at_halving_rates(cells):
    netlist = make_netlist(
        cells,
        {"clk": ("input", ["clk"])},
        {
            "f0": ("DFF", {"CK": "clk", "D": "d0", "Q": "q0"}),
            "f1": ("DFF", {"CK": "clk", "D": "d1", "Q": "q1"}),
            "i0": ("INV", {"A": "q0", "Y": "d0"}),
            "x1": ("XOR2", {"A": "q0", "B": "q1", "Y": "d1"}),
        },
    )
    activity, _ = simulate(netlist, {})
    assert [activity.toggles[netlist.net_names.index(name)] for name in ("q0", "q1", "d1")] == [1.0, 0.5, 0.5]


@pytest.mark.parametrize(("enable", "rate"), [(0, 0.0), (1, 2.0)])
def test_a_gated_register_is_clocked_only_while_enabled(cells, enable, rate):
    netlist = make_netlist(
        cells,
        {"clk": ("input", ["clk"]), "enable": ("input", ["en"])},
        {
            "g": ("CG", {"CK": "clk", "EN": "en", "GCK": "gck"}),
            "f": ("DFF", {"CK": "gck", "D": "nq", "Q": "q"}),
            "i": ("INV", {"A": "q", "Y": "nq"}),
        },
    )
    activity, clocks = simulate(netlist, {"enable": enable})
    assert activity.toggles[netlist.net_names.index("gck")] == rate
    assert activity.toggles[netlist.net_names.index("q")] == rate / 2
    found = kinds(PowerEngine(netlist, clocks).evaluate(cells, activity, Conditions(1.0)).energy_pj)
    always = 2 * (0.05 + 0.5 * 0.02)  # the gate's own clock pin
    gated = rate * (0.07 + 0.5 * 0.02 + 0.5 * 0.4 + 0.5 * 0.1)
    assert found["clock"] == pytest.approx(always + gated, rel=1e-12)


@pytest.mark.parametrize(("enable", "write", "per_cycle_pj"), [(0, 0, 0.5), (1, 0, 6.0), (1, 1, 8.0)])
def test_a_memory_takes_its_accesses(cells, enable, write, per_cycle_pj):
    ports = {"clk": ("input", ["clk"]), "men": ("input", ["men"]), "wen": ("input", ["wen"]), "ren": ("input", ["ren"])}
    pins = {"A_CLK": "clk", "A_MEN": "men", "A_WEN": "wen", "A_REN": "ren"}
    pins |= {f"A_{bus}[{bit}]": "0" for bus in ("ADDR", "DIN") for bit in (0, 1)} | {
        f"A_DOUT[{bit}]": f"q{bit}" for bit in (0, 1)
    }
    netlist = make_netlist(cells, ports, {"m": ("RAM4X2", pins)})
    activity, clocks = simulate(netlist, {"men": enable, "wen": enable & write, "ren": enable & (1 - write)})
    assert activity.reads == {0: float(enable & (1 - write))}
    assert activity.writes == {0: float(enable & write)}
    found = PowerEngine(netlist, clocks).evaluate(cells, activity, Conditions(1.0))
    assert kinds(found.energy_pj) == pytest.approx(
        {"logic": 0, "registers": 0, "clock": 0, "memories": per_cycle_pj}, rel=1e-12
    )
    assert found.leakage_w.sum() == pytest.approx(50e-9, rel=1e-12)


def test_a_memory_takes_its_reads_its_writes_and_its_clock_between_them(cells):
    """Known accesses: every lane its own commands, one a cycle, until all are done."""
    ports = {name: ("input", [name]) for name in ("clk", "men", "wen", "ren", "v")}
    pins = {"A_CLK": "clk", "A_MEN": "men", "A_WEN": "wen", "A_REN": "ren"}
    pins |= {f"A_{bus}[{bit}]": "0" for bus in ("ADDR", "DIN") for bit in (0, 1)} | {f"A_DOUT[{bit}]": "q" for bit in (0,)}
    netlist = make_netlist(cells, ports, {"m": ("RAM4X2", pins | {"A_DOUT[1]": "q1"})})
    net = netlist.net_names.index
    commands = StreamPorts(True, (net("men"), net("wen"), net("ren")), net("v"), 1)  # always taken
    tables = build_tables(netlist, "clk")
    simulator = GateSimulator(tables, (commands,), seed=1)
    nothing, read, write = 0b000, 0b101, 0b011
    given = np.random.default_rng(6).choice([nothing, read, write], (LANES, 50))
    simulator.take_counts()
    simulator.feed(0, given)
    assert simulator.run(1000, until=(0, 50)) == 50
    found = PowerEngine(netlist, tables.clock_nets).evaluate(
        cells, to_activity(simulator.take_counts(), tables, LANES), Conditions(1.0)
    )
    spent = sum({nothing: 0.5, read: 6.0, write: 8.0}[command] for command in given.ravel().tolist())
    assert kinds(found.energy_pj)["memories"] == pytest.approx(spent / given.size, rel=1e-12)


@pytest.mark.parametrize(("enable", "per_cycle_pj"), [(0, 0.0), (1, 0.5)])
def test_a_memory_whose_clock_is_gated_takes_nothing_while_it_stands(cells, enable, per_cycle_pj):
    pins = {"A_CLK": "gck", "A_MEN": "0", "A_WEN": "0", "A_REN": "0"}
    pins |= {f"A_{bus}[{bit}]": "0" for bus in ("ADDR", "DIN") for bit in (0, 1)}
    pins |= {f"A_DOUT[{bit}]": f"q{bit}" for bit in (0, 1)}
    gate = ("CG", {"CK": "clk", "EN": "en", "GCK": "gck"})
    ports = {"clk": ("input", ["clk"]), "enable": ("input", ["en"])}
    netlist = make_netlist(cells, ports, {"g": gate, "m": ("RAM4X2", pins)})
    activity, clocks = simulate(netlist, {"enable": enable})
    found = kinds(PowerEngine(netlist, clocks).evaluate(cells, activity, Conditions(1.0)).energy_pj)
    assert found["memories"] == pytest.approx(per_cycle_pj, rel=1e-12)


@pytest.mark.parametrize("stages", [3, 8])
def test_a_johnson_counter_shifts_one_edge_through_its_registers(cells, stages):
    """From a state that it visits, each of n registers toggles once in n cycles: 2 toggles of the clock, 1 of all data."""
    instances = {f"f{i}": ("DFF", {"CK": "clk", "D": f"q{i - 1}" if i else "back", "Q": f"q{i}"}) for i in range(stages)}
    instances["i"] = ("INV", {"A": f"q{stages - 1}", "Y": "back"})
    netlist = make_netlist(cells, {"clk": ("input", ["clk"])}, instances)
    rates = {"clk": 2.0, "back": 1 / stages} | {f"q{i}": 1 / stages for i in range(stages)}
    found = kinds(
        PowerEngine(netlist, [netlist.net_names.index("clk")])
        .evaluate(cells, toggling(netlist, rates), Conditions(1.0))
        .energy_pj
    )
    volt, pin = 1.0, 0.01
    assert found["registers"] == pytest.approx(0.5 + 0.5 * pin * volt**2, rel=1e-12)  # one Q per cycle, on one pin
    assert found["clock"] == pytest.approx(stages * 2 * (0.5 * 0.4 + 0.5 * 0.1 + 0.5 * 0.02), rel=1e-12)
    assert found["logic"] == pytest.approx((0.2 + pin + 0.5 * pin) / stages, rel=1e-12)


def test_an_activity_survives_its_file(cells, tmp_path):
    activity, _ = simulate(ring_counter(cells), {})
    activity.save(tmp_path / "activity.npz")
    again = Activity.load(tmp_path / "activity.npz")
    assert (again.toggles == activity.toggles).all() and (again.ones == activity.ones).all()
    assert (again.cycles, again.lanes, again.reads) == (activity.cycles, activity.lanes, activity.reads)
