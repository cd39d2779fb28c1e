"""Activity: how often every net of a netlist toggles and how long it is high, per clock cycle of one lane."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hw.power.gate_simulator import Counts
from hw.power.netlist import ONE
from hw.power.simulation_tables import Tables


@dataclass(frozen=True)
class Activity:
    """Arrays by net number of the netlist: `toggles` per cycle, `ones`: share of the time at 1. Reads and writes per cycle
    and macro, by instance number."""

    cycles: int
    """Simulated cycles per lane."""
    lanes: int
    toggles: np.ndarray
    ones: np.ndarray
    reads: dict[int, float]
    writes: dict[int, float]

    def scaled(self, factor: np.ndarray) -> "Activity":
        """The same with `factor` [nets] times the toggles: glitches."""
        return replace(self, toggles=self.toggles * factor)

    def save(self, path: Path) -> None:
        instances = np.array(sorted(self.reads), np.int64)
        np.savez_compressed(
            path,
            cycles=np.int64(self.cycles),
            lanes=np.int64(self.lanes),
            toggles=self.toggles,
            ones=self.ones,
            instances=instances,
            reads=np.array([self.reads[i] for i in instances]),
            writes=np.array([self.writes[i] for i in instances]),
        )

    @staticmethod
    def load(path: Path) -> "Activity":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            reads, writes = (
                dict(zip(found["instances"].tolist(), found[n].tolist(), strict=True)) for n in ("reads", "writes")
            )
            return Activity(int(found["cycles"]), int(found["lanes"]), found["toggles"], found["ones"], reads, writes)


def to_activity(counts: Counts, tables: Tables, lanes: int) -> Activity:
    """Counts of a simulation -> Activity. Clock nets are high half of each of their cycles."""
    nets, lane_cycles = tables.netlist.nets, max(1, counts.lane_cycles)
    toggles, ones = counts.toggles[:nets] / lane_cycles, counts.ones[:nets] / lane_cycles
    for net in tables.clock_nets:
        ones[net] = toggles[net] / 4
    ones[ONE] = 1.0
    instances = [index for index, _ in tables.macros]
    reads, writes = (
        dict(zip(instances, (found / lane_cycles).tolist(), strict=True)) for found in (counts.reads, counts.writes)
    )
    return Activity(counts.cycles, lanes, toggles, ones, reads, writes)
