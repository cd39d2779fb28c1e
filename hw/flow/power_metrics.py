"""An estimate of power as metrics, each with its corner, clock, activity and tools; and the checks on it."""

from dataclasses import dataclass

from designs.metric import Metric
from designs.schema import Design
from hw.flow.timing import OPENSTA
from hw.flow.tools import YOSYS
from hw.power.body_leakage import BODY_C, DOUBLING_C, Leakage, by_corners, by_doubling
from hw.power.clock_tree import SINKS_PER_BUFFER
from hw.power.engine import KINDS, SLEW_NS, PowerResult
from hw.power.placed_area import HALO_UM, UTILISATION
from hw.power.real_time import Blocks, Load, RealTime
from hw.targets.process import HEADLINE_CORNER, Process

WHAT = {
    "low": "no glitches, no wires, no clock tree",
    "mid": "with glitches, no wires, no clock tree",
    "no_tree": "with glitches and wire loads, no clock tree",
    "high": "with glitches, wire loads and an estimated clock tree",
}
"""The figures, lowest first; the last is the headline."""
BLOCK_ENDS = {"low": "_low", "mid": "_mid", "high": ""}
"""Figures that are told block by block, and how those metrics end."""
HEATING_DEGC_PER_MW, HEATING_BUDGET_DEGC = 0.029, 1.0
"""Heating of cortex by a Utah array (Kim, Tathireddy, Normann and Solzbacher, IEEE TNSRE 15(4), 2007); the budget is ours."""


@dataclass(frozen=True)
class OtherClock:
    """Power of the high figure at a clock; `uw` None where the clock is refused, and why."""

    clock_hz: float
    uw: float | None
    refused: str


@dataclass(frozen=True)
class Estimate:
    """What the power engine found. `figures` by name in the typical corner, `corners` the high figure elsewhere; `worst_case`:
    noise on all channels; `peak`, `worst_peak`: the busiest window of the recording and of the noise; `facts`:
    activity.json."""

    load: Load
    figures: dict[str, RealTime]
    corners: dict[str, RealTime]
    worst_case: RealTime
    peak: PowerResult
    worst_peak: PowerResult
    clocks: tuple[OtherClock, ...]
    blocks: dict[str, Blocks]
    tree_buffers: int
    tree_cell: str
    cell_area_um2: float
    macro_area_um2: float
    placed_um2: float
    facts: dict


def power_metrics(design: Design, process: Process, found: Estimate) -> tuple[tuple[Metric, ...], tuple[str, ...]]:
    """The metrics of power.json, and a line for each check that fails."""
    telling = _Telling(design, process, found)
    metrics = (*telling.figures(), *telling.conditions(), *telling.leakage(), *telling.area(), *telling.heating())
    milliwatt = found.figures["high"].total_uw / 1e3
    heating = milliwatt * HEATING_DEGC_PER_MW
    if heating <= HEATING_BUDGET_DEGC:
        return metrics, ()
    failure = (
        f"{design.name}: {milliwatt:.1f} mW would heat the cortex by {heating:.2f} degC; "
        f"{HEATING_BUDGET_DEGC:g} degC is the budget"
    )
    return metrics, (failure,)


class _Telling:
    """Values of one estimate with where they come from."""

    def __init__(self, design: Design, process: Process, found: Estimate):
        facts = found.facts
        self._process, self._found = process, found
        self._high, self._clock_hz = found.figures["high"], found.load.clock_hz
        self._clock = f"{design.hardware.clock_khz} kHz"
        self._signal = f"gate level, {facts['signal_s']:g} s of signal ({facts['decisions']} decisions) of {facts['source']}"
        self._noise = f"gate level, full-scale noise on all channels ({facts['noise']['decisions']} decisions)"
        model = f"; {process.memory_model}" if process.memory_model else ""
        engine = f"Liberty power engine on a Yosys {YOSYS.version()} netlist, OpenSTA {OPENSTA.version()} delays"
        self._tools = f"{engine}, slew {SLEW_NS} ns{model}"

    def origin(
        self, figure: str = "high", corner: str = HEADLINE_CORNER, activity: str = "", rate: str = "real-time rate"
    ) -> str:
        label = self._process.corners[corner].label
        return f"{label}, {self._clock}, {rate}, {WHAT[figure]}; {activity or self._signal}; {self._tools}"

    def uw(self, name: str, value: float, text: str) -> Metric:
        return Metric(name, round(value, 4), "uW", "lower", text)

    def figures(self) -> list[Metric]:
        """The headline and the other figures, corners, kinds and blocks."""
        found, high = self._found, self._high
        duty = f"decoding for {100 * found.load.duty:.3g} % of the time, idle for the rest"
        metrics = [self.uw("power__total_uw", high.total_uw, f"{duty}; {self.origin()}")]
        metrics += [
            self.uw(f"power__total_{name}_uw", found.figures[name].total_uw, self.origin(name))
            for name in WHAT
            if name != "high"
        ]
        metrics += [
            self.uw(f"power__total_{name}_uw", corner.total_uw, self.origin("high", name))
            for name, corner in found.corners.items()
        ]
        kinds = high.dynamic_uw.sum(axis=0)
        metrics += [
            self.uw(f"power__total_{kind}_uw", float(value), f"{self.origin()}; dynamic")
            for kind, value in zip(KINDS, kinds, strict=True)
        ]
        tree = f"{found.tree_buffers} x {found.tree_cell or 'no buffer in this library'}, {SINKS_PER_BUFFER} sinks each at most"
        tree_uw = high.total_uw - found.figures["no_tree"].total_uw
        metrics.append(
            self.uw("clock_tree_estimate_uw", tree_uw, f"wires and buffers, in the headline; {tree}; {self.origin()}")
        )
        metrics.append(Metric("clock_tree_buffers", found.tree_buffers, "", "lower", f"estimate: {tree}"))
        for figure, end in BLOCK_ENDS.items():
            for block, row in found.blocks[figure].items():
                metrics.append(self.uw(f"power__{block}{end}_uw", sum(row.values()), self.origin(figure)))
        return metrics

    def conditions(self) -> list[Metric]:
        """Idle, decoding, worst case, peak, per decision, at other clocks."""
        found, high, clock_hz = self._found, self._high, self._clock_hz
        window = (
            f"busiest {found.facts['window_cycles']} cycles of the counted decisions, mean of 64 lanes, not of loading weights"
        )
        peaks = self.origin(rate=window), self.origin(activity=self._noise, rate=window)
        noise = self.origin(activity=self._noise)
        metrics = [
            self.uw("power__idle_uw", high.idle_uw, f"clock running, no samples, leakage included; {self.origin()}"),
            self.uw("power__decoding_uw", high.decoding_uw, self.origin(rate="while it decodes without a pause")),
            self.uw("power__worst_case_uw", found.worst_case.total_uw, noise),
            self.uw("power__peak_uw", found.peak.total_uw(clock_hz), peaks[0]),
            self.uw("power__peak_noise_uw", found.worst_peak.total_uw(clock_hz), peaks[1]),
            Metric(
                "duty", round(found.load.duty, 5), "share", "lower", f"time in which it decodes, {self._clock}; {self._signal}"
            ),
        ]
        above, whole = high.energy_per_decision_nj, high.whole_energy_per_decision_nj
        per_decision = f"power over decisions per second, idling and leakage included; {self.origin()}"
        metrics += [
            Metric("energy_per_decision_nj", round(above, 3), "nJ", "lower", f"above idling; {self.origin()}"),
            Metric("energy_per_decision_with_idle_nj", round(whole, 3), "nJ", "lower", per_decision),
        ]
        for at in found.clocks:
            khz = f"{at.clock_hz / 1e3:g}"
            if at.uw is not None:
                text = f"at {khz} kHz, from the energies of a decision and of an idle cycle; {self.origin()}"
                metrics.append(self.uw(f"power__at_{khz.replace('.', 'p')}_khz_uw", at.uw, text))
        return metrics

    def leakage(self) -> list[Metric]:
        """At the corner's temperature and at that of the body."""
        corner = self._process.typical
        watt = float(self._high.leakage_uw.sum())
        typical = Leakage(watt, corner.temperature, corner.voltage)
        others = [
            Leakage(float(found.leakage_uw.sum()), self._process.corners[name].temperature, self._process.corners[name].voltage)
            for name, found in self._found.corners.items()
        ]
        metrics = [self.uw("power__leakage_uw", watt, f"by state; {self.origin()}")]
        upper = f"at {BODY_C:g} C: {corner.label} doubled per {DOUBLING_C:g} C, a rule of thumb"
        low = by_corners(typical, others)
        if low is None:
            return [*metrics, self.uw("power__leakage_37c_uw", by_doubling(typical), upper)]
        how = (
            f"at {BODY_C:g} C: exponential from {corner.label} to the hottest corner, corrected for voltage, not for that "
            "corner's slower process: a lower bound"
        )
        return [
            *metrics,
            self.uw("power__leakage_37c_uw", low, how),
            self.uw("power__leakage_37c_doubling_uw", by_doubling(typical), upper),
        ]

    def area(self) -> list[Metric]:
        origin = (
            f"cells and {self._found.tree_buffers} clock buffers at {UTILISATION:.0%} utilisation, memories with "
            f"{HALO_UM:g} um around, no pads; {self._process.typical.label}, not placed"
        )
        return [Metric("area__placed_um2", round(self._found.placed_um2, 1), "um2", "lower", origin)]

    def heating(self) -> list[Metric]:
        area_mm2 = (self._found.cell_area_um2 + self._found.macro_area_um2) / 1e6
        milliwatt = self._high.total_uw / 1e3
        cortex = f"{HEATING_DEGC_PER_MW} degC/mW for a cortical array, budget {HEATING_BUDGET_DEGC:g} degC, decoder alone"
        density = f"cells and memories; {self.origin()}"
        return [
            Metric("power_density_mw_per_mm2", round(milliwatt / area_mm2, 6), "mW/mm2", "lower", density),
            Metric("tissue_heating_degc", round(milliwatt * HEATING_DEGC_PER_MW, 6), "degC", "lower", cortex),
        ]
