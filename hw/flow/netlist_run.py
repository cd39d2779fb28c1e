"""Real samples through the gate-level decoder: 64 stretches side by side, decisions checked, toggles counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from designs.layer_table import decision_format
from designs.schema import Design
from hw.power.gate_simulator import LANES, Counts, GateSimulator, StreamPorts
from hw.power.netlist import Netlist
from hw.power.simulation_tables import Tables
from quant.golden.exactness import Row, compare
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import trace_samples

PAIR = "netlist = golden"
RESET_CYCLES = 8
SPARE_TOKENS = 8
"""Fed behind the counted decisions: the tokenizer runs ahead of the decision by the depth of the pipeline, and must stay busy
until the last counted decision is out."""
IDLE_CYCLES = 1024
CHUNK_CYCLES = 2048
READOUT_BITS = 32


class NetlistRunError(RuntimeError):
    """The netlist could not be run to its end; one line."""


@dataclass(frozen=True)
class NetlistRun:
    """What one run gave. `active`: counts over `counted` decisions of every lane in steady state; `idle`: no samples."""

    active: Counts
    counted: int
    idle: Counts
    transfers: list[np.ndarray]
    """By lane: values of m_axis as (tlast, tuser, tdata) packed from the top."""
    load_cycles: int


def choose_stretches(design: Design, streams: Sequence[np.ndarray], decisions: int) -> tuple[list[np.ndarray], int]:
    """64 stretches of int64 [samples, channels], each enough for `decisions` counted decisions in steady state, and how many
    distinct windows their decisions have.

    They begin at whole tokens, spread evenly over all streams, and each is decoded from reset. They overlap where the recording
    is short. One runs over from a stream into the next only where no single stream is long enough.
    """
    length = design.tokenizer.token_samples
    tokens = design.model.tokens + decisions + SPARE_TOKENS
    whole = [stream[: len(stream) // length * length] for stream in streams]
    if all(len(stream) < tokens * length for stream in whole):
        whole = [np.concatenate(whole)]
    places = [(at, first) for at, stream in enumerate(whole) for first in range(len(stream) // length - tokens + 1)]
    if not places:
        raise NetlistRunError(
            f"{design.name}: the test streams have {len(whole[0]) // length} tokens, gate-level activity needs {tokens}; "
            "use a longer recording"
        )
    chosen = [places[at] for at in np.linspace(0, len(places) - 1, LANES).astype(int)]
    stretches = [whole[at][first * length : (first + tokens) * length].astype(np.int64) for at, first in chosen]
    given = len(_golden_rows(design, stretches))
    return stretches, len({(at, first + later) for at, first in chosen for later in range(given)})


def stream_ports(netlist: Netlist) -> tuple[StreamPorts, StreamPorts, StreamPorts]:
    """(samples, load, decisions) of docs/streams.md."""
    nets = {name: port[1] for name, port in netlist.ports.items()}
    samples = StreamPorts(True, tuple(nets["s_axis_tdata"]), nets["s_axis_tvalid"][0], nets["s_axis_tready"][0])
    load = StreamPorts(True, tuple(nets["load_tdata"]), nets["load_tvalid"][0], nets["load_tready"][0])
    payload = (*nets["m_axis_tdata"], *nets["m_axis_tuser"], nets["m_axis_tlast"][0])
    return samples, load, StreamPorts(False, payload, nets["m_axis_tvalid"][0], nets["m_axis_tready"][0])


SAMPLES, LOAD, DECISIONS = range(3)


def run_netlist(
    tables: Tables,
    design: Design,
    stretches: list[np.ndarray],
    frames: bytes,
    *,
    counted: int,
    delays: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    delayed_cycles: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[NetlistRun, GateSimulator]:
    """Reset, load the weights, feed every lane its stretch, count from the first decision over `counted` more, then idle.

    With `delays`, about `delayed_cycles` of the counted cycles are run with cell delays too, one lane at a time.
    Raises NetlistRunError when the netlist stops moving or refuses the weights.
    """
    nets = {name: port[1] for name, port in tables.netlist.ports.items()}
    simulator = GateSimulator(tables, stream_ports(tables.netlist), seed=1)
    if delays is not None:
        simulator.set_delays(*delays)
    for name, value in (("rst", 1), ("armed", 0), ("m_axis_tready", 0)):  # what comes out before the reset means nothing
        simulator.drive(nets[name][0], value)
    simulator.run(RESET_CYCLES)
    simulator.drive(nets["rst"][0], 0)
    simulator.drive(nets["m_axis_tready"][0], 1)
    say("loading the weights")
    load = np.frombuffer(frames, np.uint8).astype(np.int64)
    simulator.feed(LOAD, load)
    load_cycles = simulator.run(20 * len(load), until=(LOAD, len(load)))
    simulator.run(RESET_CYCLES)
    loaded = simulator.values((nets["loaded"][0],))[0]
    if loaded != np.uint64(0xFFFFFFFFFFFFFFFF):
        raise NetlistRunError(f"{design.name}: the netlist did not accept the weights through its load port")

    simulator.feed(SAMPLES, np.stack([stretch.reshape(-1) & 0xFFFF for stretch in stretches]))
    tokens_to_first = design.model.tokens
    outputs, decisions = design.model.outputs, len(_golden_rows(design, stretches))
    to_first = _run_until(simulator, design, outputs, "first decision", say)
    sample_every = max(1, to_first * counted // tokens_to_first // delayed_cycles) if delayed_cycles else 0
    simulator.take_counts()
    _run_until(simulator, design, outputs * (1 + counted), f"decision {1 + counted}", say, sample_every)
    active = simulator.take_counts()
    if simulator.moved(SAMPLES).max() >= stretches[0].size:
        raise NetlistRunError(f"{design.name}: the samples ran out before the counted decisions; raise SPARE_TOKENS")
    _run_until(simulator, design, outputs * decisions, f"decision {decisions}", say)
    simulator.pause(SAMPLES)
    simulator.run(IDLE_CYCLES)
    simulator.take_counts()
    simulator.run(IDLE_CYCLES)
    return NetlistRun(active, counted, simulator.take_counts(), simulator.taken(DECISIONS), load_cycles), simulator


def _golden_rows(design: Design, stretches: list[np.ndarray]) -> range:
    """The decisions that a stretch gives."""
    return range(len(stretches[0]) // design.tokenizer.token_samples - design.model.tokens + 1)


def _run_until(
    simulator: GateSimulator, design: Design, values: int, what: str, say: Callable[[str], None], sample_every: int = 0
) -> int:
    """Until every lane has given `values` readout values; returns the cycles.

    NetlistRunError after ten times the cycles planned for the first decision.
    """
    budget = 10 * design.hardware.stage_cycles * design.model.tokens
    spent = 0
    while simulator.moved(DECISIONS).min() < values:
        ran = simulator.run(CHUNK_CYCLES, until=(DECISIONS, values), sample_every=sample_every)
        spent += ran
        fed = simulator.moved(SAMPLES).min() / (design.tokenizer.channels * design.tokenizer.token_samples)
        say(f"to {what}: {spent} cycles, {fed:.1f} tokens fed")
        if spent > budget:
            raise NetlistRunError(f"{design.name}: the netlist stopped moving on its way to {what}")
    return spent


def compare_with_golden(
    design: Design, parameters: IntegerParameters, stretches: list[np.ndarray], transfers: list[np.ndarray], windows: int
) -> list[Row]:
    """Rows of exactness.json for readout, decision (0 of a regressor) and tlast: every transfer of every lane against the
    golden model.

    `windows`: how many of the lanes' windows are distinct.
    """
    shape = (len(_golden_rows(design, stretches)), design.model.outputs)
    class_bits = decision_format(design).bits
    found: dict[str, list[np.ndarray]] = {"readout": [], "decision": [], "tlast": []}
    expected: dict[str, list[np.ndarray]] = {"readout": [], "decision": [], "tlast": []}
    framing = np.tile(np.arange(shape[1]) == shape[1] - 1, (shape[0], 1)).astype(int)
    for stretch, values in zip(stretches, transfers, strict=True):
        golden = trace_samples(stretch, parameters)
        rows = values[: shape[0] * shape[1]].reshape(shape)
        data = rows & ((1 << READOUT_BITS) - 1)
        found["readout"].append(np.where(data >> (READOUT_BITS - 1), data - (1 << READOUT_BITS), data))
        found["decision"].append(rows[:, -1:] >> READOUT_BITS & ((1 << class_bits) - 1))
        found["tlast"].append(rows >> (READOUT_BITS + class_bits) & 1)
        expected["tlast"].append(framing)
        expected["readout"].append(golden["readout"])
        expected["decision"].append(golden["decision"].reshape(-1, 1) if "decision" in golden else np.zeros((shape[0], 1), int))
    joined = ({name: np.concatenate(parts) for name, parts in trace.items()} for trace in (expected, found))
    return [replace(row, windows=windows) for row in compare(PAIR, *joined)]
