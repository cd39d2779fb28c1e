"""Power at the real-time rate from the energies of a decoding and of an idle cycle, and what the same decoder takes otherwise.

    duty = cycles per decision x decisions per second / clock
    power = duty x decoding + (1 - duty) x idle                                                 the headline
    energy per decision = (decoding - idle) x duty / decisions per second                        above idling
    power at clock f = cycles per decision x rate x E_decoding + (f - cycles per decision x rate) x E_idle + leakage

`decoding` and `idle` are power with leakage while the decoder decodes without a pause, and while its clock runs and no samples
come. Energies are per clock cycle, power in uW.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.power.activity import Activity
from hw.power.cells import Cell
from hw.power.engine import KINDS, Conditions, PowerEngine, PowerResult

Blocks = dict[str, dict[str, float]]
"""Block -> uW by kind and "leakage"."""


@dataclass(frozen=True)
class Load:
    """How busy the decoder is. Times in cycles."""

    clock_hz: float
    decisions_per_s: float
    cycles_per_decision: float

    @property
    def duty(self) -> float:
        """Share of the time in which it decodes."""
        return min(1.0, self.cycles_per_decision * self.decisions_per_s / self.clock_hz)

    def keeps_up(self, clock_hz: float) -> bool:
        return self.cycles_per_decision * self.decisions_per_s <= clock_hz


@dataclass(frozen=True)
class RealTime:
    """One figure in one corner: a mean cycle while decoding and a mean cycle without samples, and how often each is."""

    busy: PowerResult
    still: PowerResult
    load: Load

    @property
    def dynamic_uw(self) -> np.ndarray:
        """[instances, kinds]."""
        return self._mean(self.busy.energy_pj, self.still.energy_pj) * self.load.clock_hz * 1e-6

    @property
    def leakage_uw(self) -> np.ndarray:
        """[instances]."""
        return self._mean(self.busy.leakage_w, self.still.leakage_w) * 1e6

    @property
    def inputs_uw(self) -> float:
        """What drives the inputs spends on their wires and pins."""
        return float(self._mean(self.busy.inputs_pj, self.still.inputs_pj)) * self.load.clock_hz * 1e-6

    @property
    def total_uw(self) -> float:
        return float(self._mean(self.decoding_uw, self.idle_uw))

    @property
    def decoding_uw(self) -> float:
        """Decoding without a pause, leakage included."""
        return self.busy.total_uw(self.load.clock_hz)

    @property
    def idle_uw(self) -> float:
        """With the clock running and no samples, leakage included."""
        return self.still.total_uw(self.load.clock_hz)

    @property
    def energy_per_decision_nj(self) -> float:
        """What a decision takes above idling: power = energy_per_decision x decisions per second + idle."""
        return (self.decoding_uw - self.idle_uw) * self.load.duty / self.load.decisions_per_s * 1e3

    @property
    def whole_energy_per_decision_nj(self) -> float:
        """All that is spent from one decision to the next."""
        return self.total_uw / self.load.decisions_per_s * 1e3

    def by_kind(self) -> dict[str, float]:
        """uW by kind, and "leakage"; the inputs' drivers count as logic."""
        busy, still = (result.by_kind(self.load.clock_hz) for result in (self.busy, self.still))
        return {kind: float(self._mean(busy[kind], still[kind])) for kind in busy}

    def at_clock_uw(self, clock_hz: float) -> float:
        """The same decisions per second at another clock, leakage included. ValueError for one that does not keep up."""
        if not self.load.keeps_up(clock_hz):
            raise ValueError(f"{clock_hz:g} Hz does not keep up with {self.load.decisions_per_s:g} decisions per second")
        duty = self.load.cycles_per_decision * self.load.decisions_per_s / clock_hz
        return self.busy.total_uw(clock_hz) * duty + self.still.total_uw(clock_hz) * (1 - duty)

    def _mean(self, busy, still):
        return busy * self.load.duty + still * (1 - self.load.duty)


def real_time(
    engine: PowerEngine, cells: dict[str, Cell], active: Activity, idle: Activity, conditions: Conditions, load: Load
) -> RealTime:
    """Decoding as in `active` for `load.duty` of the time, idling as in `idle` for the rest."""
    busy, still = engine.evaluate(cells, active, conditions), engine.evaluate(cells, idle, conditions)
    return RealTime(busy, still, load)


def by_block(found: RealTime, blocks: Sequence[str]) -> Blocks:
    """`blocks`: by instance. Largest first; what the inputs' drivers spend is logic of block "top"."""
    table: Blocks = defaultdict(lambda: dict.fromkeys((*KINDS, "leakage"), 0.0))
    for block, dynamic, leakage in zip(blocks, found.dynamic_uw, found.leakage_uw, strict=True):
        row = table[block]
        for kind, value in zip(KINDS, dynamic, strict=True):
            row[kind] += float(value)
        row["leakage"] += float(leakage)
    table["top"]["logic"] += found.inputs_uw
    return dict(sorted(table.items(), key=lambda item: -sum(item[1].values())))
