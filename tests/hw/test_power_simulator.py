"""The gate simulator against a plain evaluation of random circuits, and its delayed half on glitches that can be drawn."""

import numpy as np
import pytest

from hw.power.gate_simulator import LANES, GateSimulator, StreamPorts
from hw.power.netlist import Netlist, NetlistError
from hw.power.simulation_tables import build_tables
from tests.hw.small_liberty import small_cells
from tests.hw.small_netlists import make_netlist

INPUTS, GATES, REGISTERS, CYCLES = 6, 40, 12, 50


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return small_cells(tmp_path_factory.mktemp("liberty"))


def random_netlist(cells, seed: int) -> Netlist:
    """Gates on earlier gates, inputs and registers; registers on any of them, some behind a clock gate."""
    rng = np.random.default_rng(seed)
    instances, nets = {}, [f"in{i}" for i in range(INPUTS)] + [f"q{i}" for i in range(REGISTERS)]
    instances["gate"] = ("CG", {"CK": "clk", "EN": "in0", "GCK": "gck"})
    for i in range(GATES):
        kind = str(rng.choice(["INV", "NAND2", "XOR2"]))
        pins = {pin: str(rng.choice(nets)) for pin in ("A", "B")[: 1 if kind == "INV" else 2]}
        instances[f"g{i}"] = (kind, pins | {"Y": f"n{i}"})
        nets.append(f"n{i}")
    for i in range(REGISTERS):
        clock = "gck" if i % 2 else "clk"
        instances[f"f{i}"] = ("DFF", {"CK": clock, "D": str(rng.choice(nets)), "Q": f"q{i}"})
    ports = {"clk": ("input", ["clk"])} | {f"in{i}": ("input", [f"in{i}"]) for i in range(INPUTS)}
    return make_netlist(cells, ports, instances)


def evaluate(netlist: Netlist, values: dict[int, int]) -> None:
    """Settle the logic of one lane in place: the gates are in order."""
    for instance in netlist.instances:
        if instance.cell.kind == "logic":
            function = instance.cell.pins["Y"].function
            values[instance.pins["Y"]] = function.value({pin: values[instance.pins[pin]] for pin in function.pins})


def clock_edge(netlist: Netlist, values: dict[int, int], enabled: int) -> None:
    taken = {
        i.pins["Q"]: values[i.pins["D"]]
        for i in netlist.instances
        if i.cell.kind == "registers" and (enabled or netlist.net_names[i.pins["CK"]] == "clk")
    }
    values.update(taken)


@pytest.mark.parametrize("seed", range(5))
def test_every_net_equals_a_plain_evaluation_in_every_cycle(cells, seed):
    netlist = random_netlist(cells, seed)
    simulator = GateSimulator(build_tables(netlist, "clk"), (), seed=seed)
    rng = np.random.default_rng(seed)
    everything = tuple(range(netlist.nets))
    start = simulator.values(everything)
    lanes = [{net: int(start[net] >> np.uint64(lane)) & 1 for net in everything} for lane in range(LANES)]
    toggles, before = 0, start
    simulator.take_counts()
    for _ in range(CYCLES):
        inputs = {f"in{i}": int(rng.integers(2)) for i in range(INPUTS)}
        for lane in lanes:
            enabled = lane[netlist.net_names.index("in0")]
            clock_edge(netlist, lane, enabled)
            lane.update({netlist.net_names.index(name): value for name, value in inputs.items()})
            evaluate(netlist, lane)
        simulator.run(1)
        for name, value in inputs.items():
            simulator.drive(netlist.net_names.index(name), value)
        found = simulator.values(everything)
        for net in everything:
            assert int(found[net]) == sum(lane[net] << number for number, lane in enumerate(lanes)), netlist.net_names[net]
        before = found
        toggles += 1
    assert toggles == CYCLES and before is not start


def test_toggles_are_the_changes_seen_between_cycles(cells):
    netlist = random_netlist(cells, 11)
    tables = build_tables(netlist, "clk")
    simulator = GateSimulator(tables, (), seed=2)
    everything = tuple(range(netlist.nets))
    simulator.take_counts()
    changes, last = np.zeros(netlist.nets, np.int64), simulator.values(everything)
    ones = np.zeros(netlist.nets, np.int64)
    for _ in range(CYCLES):
        ones += [int(value).bit_count() for value in last]
        simulator.run(1)
        now = simulator.values(everything)
        changes += [int(a ^ b).bit_count() for a, b in zip(last, now, strict=True)]
        last = now
    counts = simulator.take_counts()
    plain = np.setdiff1d(np.arange(netlist.nets), tables.clock_nets)
    assert counts.cycles == CYCLES
    assert counts.toggles[plain].tolist() == changes[plain].tolist() and changes.sum() > 0
    assert counts.ones[plain].tolist() == ones[plain].tolist()


def test_streams_carry_each_lane_its_own_values_under_the_handshake(cells):
    """A register between two streams: ready is the consumer's, so every value passes once, in order."""
    netlist = make_netlist(
        cells,
        {"clk": ("input", ["clk"]), "i": ("input", ["i0", "i1"]), "v": ("input", ["v"]), "r": ("input", ["r"])},
        {"x": ("XOR2", {"A": "i0", "B": "i1", "Y": "x"})},
    )
    nets = {name: netlist.net_names.index(name) for name in ("i0", "i1", "v", "r", "x")}
    given = StreamPorts(True, (nets["i0"], nets["i1"]), nets["v"], nets["r"])
    taken = StreamPorts(False, (nets["i0"], nets["i1"], nets["x"]), nets["v"], nets["r"])
    simulator = GateSimulator(build_tables(netlist, "clk"), (given, taken), seed=1)
    values = np.random.default_rng(4).integers(0, 4, (LANES, 30))
    simulator.feed(0, values)
    simulator.run(5)
    assert simulator.moved(1).tolist() == [0] * LANES
    simulator.drive(nets["r"], 1)
    assert simulator.run(1000, until=(1, 30)) == 30
    simulator.run(5)
    expected = values | ((values & 1) ^ (values >> 1)) << 2
    assert np.stack(simulator.taken(1)).tolist() == expected.tolist()


def test_a_memory_gives_back_what_each_lane_wrote(cells):
    ports = {name: ("input", [name]) for name in ("clk", "men", "wen", "ren")}
    ports |= {"a": ("input", ["a0", "a1"]), "d": ("input", ["d0", "d1"]), "v": ("input", ["v"])}
    pins = {"A_CLK": "clk", "A_MEN": "men", "A_WEN": "wen", "A_REN": "ren"}
    pins |= {f"A_{bus}[{bit}]": f"{name}{bit}" for bus, name in (("ADDR", "a"), ("DIN", "d"), ("DOUT", "q")) for bit in (0, 1)}
    netlist = make_netlist(cells, ports, {"m": ("RAM4X2", pins)})
    nets = {name: netlist.net_names.index(name) for name in netlist.net_names}
    words = StreamPorts(
        True, (nets["a0"], nets["a1"], nets["d0"], nets["d1"], nets["wen"], nets["ren"]), nets["men"], nets["men"]
    )
    simulator = GateSimulator(build_tables(netlist, "clk"), (words,), seed=1)
    rng = np.random.default_rng(5)
    steps = 40
    address, data, write = (rng.integers(0, top, (LANES, steps)) for top in (4, 4, 2))
    write[:, :4], address[:, :4] = 1, np.arange(4)
    simulator.feed(0, address | data << 2 | write << 4 | (1 - write) << 5)
    content, out = np.zeros((LANES, 4), int), np.zeros(LANES, int)
    for step in range(steps):
        simulator.run(1)
        for lane in range(LANES):
            if write[lane, step]:
                content[lane, address[lane, step]] = data[lane, step]
            else:
                out[lane] = content[lane, address[lane, step]]
        if step >= 20:
            low, high = simulator.values((nets["q0"], nets["q1"]))
            known = (write[:, : step + 1] == 0).any(axis=1)
            found = [(int(low) >> lane & 1) | (int(high) >> lane & 1) << 1 for lane in range(LANES)]
            assert [f for f, k in zip(found, known, strict=True) if k] == [o for o, k in zip(out, known, strict=True) if k]


def hazard(cells, inverters: int) -> Netlist:
    """q xor q-delayed-by-inverters, with q toggling every cycle: constant without delays, one pulse a cycle with them."""
    chain = {f"i{k}": ("INV", {"A": f"c{k}", "Y": f"c{k + 1}"}) for k in range(inverters)}
    loop = {"f": ("DFF", {"CK": "clk", "D": "nq", "Q": "c0"}), "n": ("INV", {"A": "c0", "Y": "nq"})}
    return make_netlist(
        cells, {"clk": ("input", ["clk"])}, loop | chain | {"x": ("XOR2", {"A": "c0", "B": f"c{inverters}", "Y": "y"})}
    )


@pytest.mark.parametrize(("inverters", "pulses"), [(4, 2), (1, 0)])
def test_a_pulse_longer_than_the_cells_delay_is_a_glitch_and_a_shorter_one_is_not(cells, inverters, pulses):
    netlist = hazard(cells, inverters)
    tables = build_tables(netlist, "clk")
    simulator = GateSimulator(tables, (), seed=1)
    delay = np.array(
        [300.0 if tables.netlist.instances[op.instance].name == "x" else 100.0 for op in tables.operations for _ in op.pins]
    )
    source = np.full(tables.nets, -1.0)
    source[netlist.net_names.index("c0")] = 50
    simulator.set_delays(delay, delay, source)
    simulator.run(20, sample_every=1)
    delayed, settled, sampled = simulator.delayed_counts()
    y, c0 = netlist.net_names.index("y"), netlist.net_names.index("c0")
    assert sampled == 20 and settled[c0] == delayed[c0] == 20
    assert settled[y] == 0
    assert delayed[y] == 20 * pulses


def test_what_cannot_be_simulated_is_named(cells):
    loop = make_netlist(
        cells, {"clk": ("input", ["clk"])}, {"a": ("INV", {"A": "x", "Y": "y"}), "b": ("INV", {"A": "y", "Y": "x"})}
    )
    with pytest.raises(NetlistError, match=r"^top: a combinational loop passes through or before a$"):
        build_tables(loop, "clk")
    with pytest.raises(NetlistError, match=r"^top: has no input port clock to clock it$"):
        build_tables(loop, "clock")
    derived = make_netlist(
        cells,
        {"clk": ("input", ["clk"]), "a": ("input", ["a"])},
        {"i": ("INV", {"A": "a", "Y": "na"}), "f": ("DFF", {"CK": "na", "D": "a", "Q": "q"})},
    )
    with pytest.raises(NetlistError, match=r"^f is clocked through i \(INV\), neither a buffer nor a clock gate$"):
        build_tables(derived, "clk")


def test_counts_of_windows_add_up_to_those_of_the_whole(cells):
    netlist = random_netlist(cells, 7)
    tables = build_tables(netlist, "clk")
    whole, parts = (GateSimulator(tables, (), seed=7) for _ in range(2))
    for simulator in (whole, parts):
        simulator.take_counts()
    whole.run(30)
    expected, found = whole.take_counts(), None
    for cycles in (10, 13, 7):
        parts.run(cycles)
        window = parts.take_counts()
        found = window if found is None else found + window
    assert found.cycles == expected.cycles == 30
    for name in ("toggles", "ones", "reads", "writes"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
