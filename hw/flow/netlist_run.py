"""Real samples and noise through the gate-level decoder: 64 lanes side by side, toggles counted, the busiest moment kept.

One run from reset: weights, the recording, idling, noise, without a reset between, so that the golden model judges it as one
stream per lane (hw/flow/netlist_samples.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from designs.schema import Design
from hw.flow.netlist_samples import NOISE_DECISIONS, NetlistRunError, golden_rows
from hw.power.gate_simulator import Counts, GateSimulator, StreamPorts
from hw.power.netlist import Netlist
from hw.power.simulation_tables import Tables

RESET_CYCLES = 8
IDLE_CYCLES = 1024
CHUNK_CYCLES = 2048
WINDOW_CYCLES = 64
"""Length of the moments among which the busiest is looked for."""
NOISE_DELAYED_SHARE = 3
"""Of the noise, one cycle is run with delays where the recording has so many."""
SAMPLES, LOAD, DECISIONS = range(3)

Score = Callable[[Counts], float]
Delays = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Counted:
    """Steady state. `counts` over `decisions` of every lane; `peak`: of those WINDOW_CYCLES with the highest score, mean of the
    lanes, which are at the same place of the schedule; `delayed`, `settled`: toggles by net with delays and without in
    `sampled` cycles of single lanes."""

    counts: Counts
    decisions: int
    peak: Counts
    delayed: np.ndarray
    settled: np.ndarray
    sampled: int

    @property
    def cycles_per_decision(self) -> float:
        return self.counts.cycles / self.decisions


@dataclass(frozen=True)
class NetlistRun:
    """`active`: decoding the recording; `noise`: decoding noise; `idle`: no samples, after the recording."""

    active: Counted
    noise: Counted
    idle: Counts
    transfers: list[np.ndarray]
    """By lane: values of m_axis as (tlast, tuser, tdata) packed from the top."""
    load_cycles: int


def stream_ports(netlist: Netlist) -> tuple[StreamPorts, StreamPorts, StreamPorts]:
    """(samples, load, decisions) of docs/streams.md."""
    nets = {name: port[1] for name, port in netlist.ports.items()}
    samples = StreamPorts(True, tuple(nets["s_axis_tdata"]), nets["s_axis_tvalid"][0], nets["s_axis_tready"][0])
    load = StreamPorts(True, tuple(nets["load_tdata"]), nets["load_tvalid"][0], nets["load_tready"][0])
    payload = (*nets["m_axis_tdata"], *nets["m_axis_tuser"], nets["m_axis_tlast"][0])
    return samples, load, StreamPorts(False, payload, nets["m_axis_tvalid"][0], nets["m_axis_tready"][0])


def run_netlist(
    tables: Tables,
    design: Design,
    stretches: list[np.ndarray],
    noise: np.ndarray,
    frames: bytes,
    *,
    counted: int,
    score: Score,
    delays: Delays | None = None,
    delayed_cycles: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> NetlistRun:
    """Reset, load the weights, feed every lane its stretch, count from the first decision over `counted` more, idle, then its
    noise, counted from the first window that holds nothing else.

    With `delays`, about `delayed_cycles` of the counted cycles are run with cell delays too, one lane at a time. `score` says
    how busy a window was. Raises NetlistRunError when the netlist stops moving or refuses the weights.
    """
    decoder = _Decoder(tables, design, delays, score, say)
    load_cycles = decoder.load(frames)
    tokens = design.model.tokens
    decoder.feed(np.stack(stretches))
    to_first = decoder.run_to(1, "first decision")
    every = max(1, to_first * counted // tokens // delayed_cycles) if delayed_cycles else 0
    active = decoder.count(1, counted, every)
    decisions = len(golden_rows(design, len(stretches[0])))
    decoder.run_to(decisions, f"decision {decisions}")
    idle = decoder.idle()
    decoder.feed(noise)
    first = decisions + tokens
    decoder.run_to(first, "noise alone")
    every = max(1, to_first * NOISE_DECISIONS * NOISE_DELAYED_SHARE // tokens // delayed_cycles) if delayed_cycles else 0
    loud = decoder.count(first, NOISE_DECISIONS, every)
    last = len(golden_rows(design, len(stretches[0]) + noise.shape[1]))
    decoder.run_to(last, f"decision {last}")
    return NetlistRun(active, loud, idle, decoder.simulator.taken(DECISIONS), load_cycles)


class _Decoder:
    """The netlist in the simulator, with its three streams. Decisions are numbered from 1, in every lane alike."""

    def __init__(self, tables: Tables, design: Design, delays: Delays | None, score: Score, say: Callable[[str], None]):
        self._nets = {name: port[1] for name, port in tables.netlist.ports.items()}
        self._design, self._score, self._say = design, score, say
        self.simulator = GateSimulator(tables, stream_ports(tables.netlist), seed=1)
        if delays is not None:
            self.simulator.set_delays(*delays)

    def load(self, frames: bytes) -> int:
        """Reset and weights; returns the cycles."""
        for name, value in (("rst", 1), ("armed", 0), ("m_axis_tready", 0)):  # what comes out before the reset means nothing
            self.simulator.drive(self._nets[name][0], value)
        self.simulator.run(RESET_CYCLES)
        self.simulator.drive(self._nets["rst"][0], 0)
        self.simulator.drive(self._nets["m_axis_tready"][0], 1)
        self._say("loading the weights")
        values = np.frombuffer(frames, np.uint8).astype(np.int64)
        self.simulator.feed(LOAD, values)
        cycles = self.simulator.run(20 * len(values), until=(LOAD, len(values)))
        self.simulator.run(RESET_CYCLES)
        loaded = self.simulator.values((self._nets["loaded"][0],))[0]
        if loaded != np.uint64(0xFFFFFFFFFFFFFFFF):
            raise NetlistRunError(f"{self._design.name}: the netlist did not accept the weights through its load port")
        return cycles

    def feed(self, samples: np.ndarray) -> None:
        """[LANES, samples, channels] from now on."""
        self._fed = samples[0].size
        self.simulator.feed(SAMPLES, samples.reshape(len(samples), -1) & 0xFFFF)

    def run_to(self, decision: int, what: str) -> int:
        """Until every lane has given `decision`; returns the cycles."""
        return self._advance(decision, what, CHUNK_CYCLES)

    def count(self, first: int, decisions: int, sample_every: int) -> Counted:
        """From the decision `first`, which has been given, over `decisions` more, window by window."""
        self.simulator.take_counts()
        delayed, settled, sampled = self.simulator.delayed_counts()
        windows: list[Counts] = []
        best: list[tuple[float, Counts]] = []

        def look() -> None:
            found = self.simulator.take_counts()
            windows[:] = [windows[0] + found] if windows else [found]
            if found.cycles == WINDOW_CYCLES or not best:
                best[:] = [max((*best, (self._score(found), found)), key=lambda scored: scored[0])]

        what = f"decision {first + decisions}"
        self._advance(first + decisions, what, WINDOW_CYCLES, min(sample_every, WINDOW_CYCLES), look)
        if self.simulator.moved(SAMPLES).max() >= self._fed:
            raise NetlistRunError(f"{self._design.name}: the samples ran out before the counted decisions; raise SPARE_TOKENS")
        after = self.simulator.delayed_counts()
        return Counted(windows[0], decisions, best[0][1], after[0] - delayed, after[1] - settled, after[2] - sampled)

    def idle(self) -> Counts:
        """What IDLE_CYCLES without samples do, after as many that come to rest."""
        self.simulator.pause(SAMPLES)
        self.simulator.run(IDLE_CYCLES)
        self.simulator.take_counts()
        self.simulator.run(IDLE_CYCLES)
        return self.simulator.take_counts()

    def _advance(
        self, decision: int, what: str, chunk: int, sample_every: int = 0, after: Callable[[], None] = lambda: None
    ) -> int:
        """NetlistRunError after ten times the cycles planned for a whole window of tokens."""
        values = decision * self._design.model.outputs
        budget = 10 * self._design.hardware.stage_cycles * self._design.model.tokens
        spent = said = 0
        while self.simulator.moved(DECISIONS).min() < values:
            spent += self.simulator.run(chunk, until=(DECISIONS, values), sample_every=sample_every)
            after()
            if spent - said >= CHUNK_CYCLES:
                said = spent
                fed = self.simulator.moved(SAMPLES).min() / self._fed
                self._say(f"to {what}: {spent} cycles, {100 * fed:.0f} % of the samples fed")
            if spent > budget:
                raise NetlistRunError(f"{self._design.name}: the netlist stopped moving on its way to {what}")
        return spent
