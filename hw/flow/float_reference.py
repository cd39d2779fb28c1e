"""FloatReference: the decoder's multiply-adds in binary32 and in its own formats, each by itself, on its own operands."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from designs.decoding_set import DecodingSet
from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.float_operands import float_factors, float_trace, read_checkpoint
from hw.flow.libraries import liberty_inputs, process_for
from hw.flow.operands import Sequences, dense_factors, drawn, joined_trace, stretches_to_trace
from hw.flow.step import Result, Step, WrongInput
from hw.flow.timing import OPENSTA
from hw.flow.tools import YOSYS
from hw.flow.unit_energy import Feed, UnitEnergy, measure_units
from hw.plan.engine import operand_bits, sum_bits
from hw.plan.passes import LANE
from hw.reference.float_mac import FloatMac
from hw.reference.integer_units import IntegerMac
from quant.golden.read_qonnx import read_qonnx
from quant.golden.trace import tokens_of

SEED = 2
FLOAT_BITS = 32
SMALLEST_NORMAL = np.float32(2.0**-126)
FLOAT, INTEGER = "float_mac", "integer_mac"


class FloatReference(Step):
    """What full precision would cost: one multiply-add, and the engine with it in every place of its array."""

    name = "float_reference"
    needs = (Kind.CHECKPOINT, Kind.QONNX, Kind.DECODING_SET, Kind.POWER)
    makes = (Kind.FLOAT_REFERENCE,)
    tools = (YOSYS, OPENSTA)
    scripts = ("hw/flow/scripts", "hw/power/gate_simulator.c")

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        feeds = mac_feeds(design, files)
        units = measure_units(feeds, process_for(design), folder)
        report = folder / "float_reference.json"
        report.write_text(json.dumps({name: asdict(unit) for name, unit in units.items()}, indent=1) + "\n")
        power = json.loads(files[Kind.POWER].read_text())
        return Result({Kind.FLOAT_REFERENCE: report}, (*_per_mac(design, units), *_per_decoder(design, units, power)))


def mac_feeds(design: Design, files: Files) -> dict[str, Feed]:
    """Both units with the dense layers' operands, drawn alike: float32 bit patterns, and integers in the array's widths."""
    parameters = read_qonnx(files[Kind.QONNX], design)
    stretches = stretches_to_trace(DecodingSet.load(files[Kind.DECODING_SET]), design)
    tensors = read_checkpoint(files[Kind.CHECKPOINT])
    traces = [float_trace(tokens_of(stretch, parameters), tensors, design) for stretch in stretches]
    joined = {name: np.concatenate([trace[name] for trace in traces]) for name in traces[0]}
    floats = drawn(list(float_factors(design, tensors, joined)), np.random.default_rng(SEED))
    factors = [found for _, found in dense_factors(design, parameters, joined_trace(stretches, parameters))]
    integers = drawn(factors, np.random.default_rng(SEED))
    a_bits, b_bits = operand_bits(design)
    bits = [side.astype(np.float32).view(np.int32).astype(np.int64) & 0xFFFFFFFF for side in (floats.a, floats.b)]
    sums = float_sums(floats).view(np.int32).astype(np.int64) & 0xFFFFFFFF
    integer_mac = IntegerMac(a_bits=a_bits, b_bits=b_bits, sum_bits=sum_bits(design))
    return {
        FLOAT: Feed(FloatMac(), {"a": bits[0], "b": bits[1], "first": floats.first}, {"o": sums}),
        INTEGER: Feed(integer_mac, {"a": integers.a, "b": integers.b, "first": integers.first}, {"o": integer_sums(integers)}),
    }


def integer_sums(operands: Sequences) -> np.ndarray:
    """The running sums: products added up, anew where `first`."""
    found, current = [], np.zeros(len(operands.a), np.int64)
    for a, b, first in zip(operands.a.T, operands.b.T, operands.first.T, strict=True):
        current = np.where(first, 0, current) + a * b
        found.append(current)
    return np.stack(found, axis=1)


def float_sums(operands: Sequences) -> np.ndarray:
    """The same in float32, rounded after each product and each addition; what is below the smallest normal becomes 0.

    A product is judged before it is rounded, as hw.reference.float_mac does; a sum that small is exact.
    """
    found, current = [], np.zeros(len(operands.a), np.float32)
    for a, b, first in zip(operands.a.T, operands.b.T, operands.first.T, strict=True):
        exact = _flushed(a.astype(np.float32)).astype(np.float64) * _flushed(b.astype(np.float32))  # 48 bits of 53
        current = _flushed(np.where(first, np.float32(0), current) + _flushed(exact).astype(np.float32))
        found.append(current)
    return np.stack(found, axis=1)


def _flushed(values: np.ndarray) -> np.ndarray:
    """In the type they come in."""
    return np.where(np.abs(values) < SMALLEST_NORMAL, np.copysign(np.zeros_like(values), values), values)


def _per_mac(design: Design, units: dict[str, UnitEnergy]) -> list[Metric]:
    a_bits, b_bits = operand_bits(design)
    what = {
        FLOAT: "binary32, rounded to nearest even after product and sum, subnormals as zeros, equal to numpy's float32 bit by "
        "bit, products below 2^-126 taken as zero",
        INTEGER: f"{a_bits} x {b_bits} bits into {sum_bits(design)}, as in the engine's array, recoding its own operand",
    }
    shared = "alone, sum register included, on the dense layers' operands in the order of a sum, checked bit by bit"
    found = []
    for name, unit in units.items():
        for figure, end in (("high", ""), ("low", "_low")):
            with_what = "with glitches and wire loads" if figure == "high" else "without glitches and wires"
            found.append(
                Metric(f"{name}_pj{end}", round(unit.pj[figure], 4), "pJ", "none", f"{what[name]}; {shared}; {with_what}")
            )
        found.append(Metric(f"{name}_um2", round(unit.area_um2, 1), "um2", "none", f"{what[name]}, before placement"))
    ratio = units[FLOAT].pj["high"] / units[INTEGER].pj["high"]
    found.append(Metric("float_mac_over_integer_mac", round(ratio, 3), "x", "none", f"high figure; {shared}"))
    return found


def _per_decoder(design: Design, units: dict[str, UnitEnergy], power: dict) -> list[Metric]:
    """The engine with the array's power scaled by the multiply-adds' and its memories' by their words; none for pipelines."""
    if design.hardware.backend != "engine":
        return []
    high = power["figures"]["high"]
    float_uw = high["total_uw"] + added_uw(design, units, high["blocks"])
    how = (
        "an estimate: the array's dynamic power times the ratio of multiply-adds, its leakage times that of their areas, the "
        "engine's memories times 32 / bits of a value, the same accesses; wavelet bank, control and rounding as they are"
    )
    ratio = float_uw / high["total_uw"]
    return [
        Metric("float_decoder_uw", round(float_uw, 3), "uW", "none", f"high figure, {how}"),
        Metric("float_decoder_over_integer_decoder", round(ratio, 3), "x", "none", f"high figure, {how}"),
    ]


def added_uw(design: Design, units: dict[str, UnitEnergy], blocks: dict[str, dict[str, float]]) -> float:
    """What the engine's array and memories would take more in binary32, by the blocks of power.json.

    The memory of parameters is nearly all weights, and counted as if it were. WrongInput names a block that is not there.
    """
    widths = {"columns": LANE.bits, "rows": LANE.bits, "parameters": design.quant.weight.bits}
    if design.model.streaming:
        widths["values"] = design.quant.activation.bits
    more = units[FLOAT].pj["high"] / units[INTEGER].pj["high"] - 1
    larger = units[FLOAT].area_um2 / units[INTEGER].area_um2 - 1
    for name in ("array", *widths):
        if name not in blocks:
            raise WrongInput(f"{design.name}: power.json has no block {name}; its blocks are {', '.join(sorted(blocks))}")
    array = blocks["array"]
    found = (sum(array.values()) - array["leakage"]) * more + array["leakage"] * larger
    for name, bits in widths.items():
        found += sum(blocks[name].values()) * (FLOAT_BITS / bits - 1)
    return found
