"""Floor: what a decision's multiplications and single reads would take by themselves, and how far the decoder is above it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from designs.decoding_set import DecodingSet
from designs.metric import Metric
from designs.number_format import IntFormat
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.libraries import liberty_inputs, process_for
from hw.flow.operands import product_operands, stretches_to_trace, tap_operands
from hw.flow.step import Result, Step
from hw.flow.timing import OPENSTA
from hw.flow.tools import YOSYS
from hw.flow.unit_energy import FIGURES, Feed, UnitEnergy, measure_units
from hw.plan.necessary_work import NecessaryWork, Operands, necessary_work
from hw.power.floor import Floor as Parts
from hw.power.floor import floor
from hw.reference.integer_units import BareMultiplier, ConstantProducts
from hw.targets.process import Process
from quant.golden.parameters import IntegerParameters
from quant.golden.read_qonnx import read_qonnx

SEED = 1
"""Of which operands are drawn."""
WITHOUT = "no additions, registers, clock, control, leakage, nothing read twice"


class Floor(Step):
    """Bare multipliers of the design's formats on its own operands, and the best memory macro of the process."""

    name = "floor"
    needs = (Kind.QONNX, Kind.DECODING_SET, Kind.POWER)
    makes = (Kind.FLOOR,)
    tools = (YOSYS, OPENSTA)
    scripts = ("hw/flow/scripts", "hw/power/gate_simulator.c")

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        process = process_for(design)
        parameters = read_qonnx(files[Kind.QONNX], design)
        work = necessary_work(design)
        feeds = unit_feeds(design, parameters, DecodingSet.load(files[Kind.DECODING_SET]), work)
        units = measure_units(feeds, process, folder)
        per_bit = min(macro.read_pj / macro.width for macro in process.macros) if process.macros else 0.0
        parts = {figure: parts_of(work, units, figure, per_bit) for figure in FIGURES}
        power = json.loads(files[Kind.POWER].read_text())["figures"]
        totals = {figure: float(power[figure]["total_uw"]) for figure in FIGURES}
        report = folder / "floor.json"
        summary = {"read_pj_per_bit": per_bit, "units": {name: asdict(unit) for name, unit in units.items()}}
        summary |= {"parts_nj": {figure: asdict(found) for figure, found in parts.items()}}
        report.write_text(json.dumps(summary, indent=1) + "\n")
        return Result({Kind.FLOOR: report}, _metrics(design, process, work, parts, totals, per_bit))


def unit_name(operands: Operands) -> str:
    """INT8 x INT4 -> "multiply_INT8_INT4"."""
    return f"multiply_{operands[0]}_{operands[1]}"


def unit_feeds(design: Design, parameters: IntegerParameters, found: DecodingSet, work: NecessaryWork) -> dict[str, Feed]:
    """A bare multiplier per pair of formats, and for each folded tap its constants, with operands of the test streams."""
    rng, stretches = np.random.default_rng(SEED), stretches_to_trace(found, design)
    feeds = {}
    for operands, factors in product_operands(design, parameters, stretches, rng).items():
        inputs = {"a": factors.a, "b": factors.b}
        feeds[unit_name(operands)] = Feed(BareMultiplier(*operands), inputs, {"o": factors.a * factors.b})
    if work.taps:
        folded = IntFormat(design.tokenizer.sample.bits + 1)
        values = tap_operands(design, parameters, stretches, rng)
        for tap in work.taps:
            products = {f"o_{i}": constant * values[tap.name] for i, constant in enumerate(tap.constants)}
            feeds[tap.name] = Feed(ConstantProducts(folded, tap.constants), {"a": values[tap.name]}, products)
    return feeds


def parts_of(work: NecessaryWork, units: dict[str, UnitEnergy], figure: str, read_pj_per_bit: float) -> Parts:
    """The floor of one figure of FIGURES."""
    return floor(
        products=work.products,
        product_pj={operands: units[unit_name(operands)].pj[figure] for operands in work.products},
        constants={tap.name: tap.per_decision for tap in work.taps},
        constant_pj={tap.name: units[tap.name].pj[figure] for tap in work.taps},
        weight_bits=work.weight_bits,
        sample_bits=work.sample_bits,
        read_pj_per_bit=read_pj_per_bit,
    )


def _metrics(
    design: Design,
    process: Process,
    work: NecessaryWork,
    parts: dict[str, Parts],
    totals: dict[str, float],
    read_pj_per_bit: float,
) -> tuple[Metric, ...]:
    read = f"{read_pj_per_bit:.3f} pJ per bit read, the best macro of the process" if read_pj_per_bit else "no macro: no reads"
    model = f"; {process.memory_model}" if process.memory_model else ""
    shared = (
        f"{sum(work.products.values())} products by bare multipliers on operands of the test streams, constants of the wavelet "
        f"bank by bare shifts and adds, {work.weight_bits} weight and {work.sample_bits} sample bits once at {read}; "
        f"{WITHOUT}; "
        f"{process.typical.label}, Yosys {YOSYS.version()}{model}"
    )
    what = {"high": "with the units' own glitches and wire loads", "low": "without glitches and wires"}
    found = []
    for figure in ("high", "low"):
        end = "" if figure == "high" else f"_{figure}"
        floor_uw = parts[figure].power_uw(design.decisions_per_s)
        origin = f"{what[figure]}; {shared}"
        found += [
            Metric(f"floor__energy_per_decision{end}_nj", round(parts[figure].total_nj, 3), "nJ", "none", origin),
            Metric(f"floor__power{end}_uw", round(floor_uw, 4), "uW", "none", f"at the real-time rate, {origin}"),
            Metric(f"floor__ratio{end}", round(totals[figure] / floor_uw, 2), "x", "lower", f"total power / floor, {origin}"),
        ]
    for part in ("products", "constants", "weights", "samples"):
        nj = float(getattr(parts["high"], f"{part}_nj"))
        found.append(Metric(f"floor__{part}_nj", round(nj, 3), "nJ", "none", f"{what['high']}; {shared}"))
    return tuple(found)
