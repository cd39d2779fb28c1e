"""The comparison as Markdown tables: our rows, their references, full precision, bounds, and what others have published."""

from collections.abc import Mapping, Sequence

from designs.catalogue import find_design
from designs.metric import Metric
from hw.compare.bounds import Verdict
from hw.compare.published import Decoder
from hw.compare.rows import Row
from hw.compare.scaling import Factor, to_reference
from hw.flow.power_metrics import HEATING_BUDGET_DEGC, HEATING_DEGC_PER_MW
from hw.report.table import Table, number
from hw.targets.process import Process

UNKNOWN = "unknown"
SCALED_DIGITS = 2
"""What a scaled number is good for, at most."""
SOURCE_RATIO = 22.84 / 5.66
"""Full precision over integers in the source's estimate."""
Found = Mapping[Row, Sequence[Metric]]


def values_of(metrics: Sequence[Metric]) -> dict[str, float]:
    """Metric name -> value."""
    return {metric.name: metric.value for metric in metrics}


def _shown(value: float | None, digits: int = 3) -> str:
    return UNKNOWN if value is None else number(value, digits)


def designs_table(found: Found) -> Table:
    """Every row that was built: power, energy, area, latency, and how far above the floor it is."""
    header = (
        *("build", "power, low / mid / high, uW", "at 37 degC, uW", "of it idle, uW"),
        *("nJ per decision, above idling", "area, mm2"),
        *("latency, ms", "floor, uW", "power / floor", "heating, degC", "differing integers"),
    )
    rows = []
    for row, metrics in found.items():
        values = values_of(metrics)
        power = " / ".join(
            _shown(values.get(name)) for name in ("power__total_low_uw", "power__total_mid_uw", "power__total_uw")
        )
        area = values.get("area__total_um2")
        rows.append(
            (
                f"`{row.name}`",
                power,
                _at_body_temperature(values),
                _shown(values.get("power__idle_uw")),
                _shown(values.get("energy_per_decision_nj")),
                _shown(None if area is None else area / 1e6),
                _shown(values.get("latency_ms")),
                _shown(values.get("floor__power_uw")),
                _shown(values.get("floor__ratio")),
                _shown(values.get("tissue_heating_degc"), 2),
                _shown(values.get("exact__mismatches")),
            )
        )
    return Table(header, tuple(rows), numeric=frozenset(range(1, len(header))))


def _at_body_temperature(values: Mapping[str, float]) -> str:
    """The headline with the leakage of 37 degC instead of the corner's; two ways to tell that bracket it."""
    total, leakage = values.get("power__total_uw"), values.get("power__leakage_uw")
    warm = [values[name] for name in ("power__leakage_37c_uw", "power__leakage_37c_doubling_uw") if name in values]
    if total is None or leakage is None or not warm:
        return UNKNOWN
    return " to ".join(number(total - leakage + each) for each in warm)


def floor_table(found: Found) -> Table:
    """What the floor of each named design is made of."""
    parts = ("products", "constants", "weights", "samples")
    ends = ("together, nJ", "without glitches and wires, nJ", "power / floor so")
    header = ("design", *(f"{part}, nJ" for part in parts), *ends)
    rows = []
    for row, metrics in found.items():
        values = values_of(metrics)
        if not row.is_reference:
            names = (
                *(f"floor__{part}_nj" for part in parts),
                "floor__energy_per_decision_nj",
                "floor__energy_per_decision_low_nj",
            )
            rows.append((f"`{row.name}`", *(_shown(values.get(name)) for name in (*names, "floor__ratio_low"))))
    return Table(header, tuple(rows), numeric=frozenset(range(1, len(header))))


def references_table(found: Found) -> Table:
    """Each reference over the design as it is: how many times its power, idle power, area and latency."""
    header = ("reference", "power", "idle power", "nJ per decision, above idling", "area", "latency", "flip-flops")
    names = ("power__total_uw", "power__idle_uw", "energy_per_decision_nj", "area__total_um2", "latency_ms", "registers")
    own = {row.design: values_of(metrics) for row, metrics in found.items() if not row.is_reference}
    rows = []
    for row, metrics in found.items():
        if row.is_reference and row.design in own:
            values, base = values_of(metrics), own[row.design]
            cells = (_times(values.get(name), base.get(name)) for name in names)
            rows.append((f"`{row.name}`", *cells))
    return Table(header, tuple(rows), numeric=frozenset(range(1, len(header))))


def _times(value: float | None, base: float | None) -> str:
    return UNKNOWN if value is None or not base else f"x {value / base:.2f}"


def floats_table(floats: Found) -> Table:
    """A multiply-add in binary32 over one of the design's array, and the whole engine so."""
    header = (
        *("design", "binary32, pJ", "integer, pJ", "ratio", "without glitches and wires", "area ratio"),
        *("engine in binary32, uW (estimate)", "over the design", "the source's"),
    )
    rows = []
    for row, metrics in floats.items():
        values = values_of(metrics)
        rows.append(
            (
                f"`{row.design}`",
                _shown(values.get("float_mac_pj")),
                _shown(values.get("integer_mac_pj")),
                _times(values.get("float_mac_pj"), values.get("integer_mac_pj")),
                _times(values.get("float_mac_pj_low"), values.get("integer_mac_pj_low")),
                _times(values.get("float_mac_um2"), values.get("integer_mac_um2")),
                _shown(values.get("float_decoder_uw")),
                _times(values.get("float_decoder_over_integer_decoder"), 1.0),
                f"x {SOURCE_RATIO:.2f}",
            )
        )
    return Table(header, tuple(rows), numeric=frozenset(range(1, len(header))))


def bounds_table(verdicts: Sequence[Verdict]) -> Table:
    """Bound, value, verdict."""
    rows = tuple(
        (
            f"`{verdict.bound.row}`",
            verdict.bound.metric,
            f"{'at least ' if verdict.bound.least else ''}{number(verdict.bound.limit, 4)} {verdict.bound.unit}".rstrip(),
            "" if verdict.value is None else f"{number(verdict.value, 4)} {verdict.bound.unit}".rstrip(),
            verdict.word,
        )
        for verdict in verdicts
    )
    return Table(("design", "metric", "at most", "is", ""), rows, numeric=frozenset({2, 3}))


def published_table(decoders: Sequence[Decoder], found: Found, process: Process) -> Table:
    """Ours, built for `process`, then the others: as published, and at 130 nm and 1.2 V by published scaling."""
    header = (
        *("decoder", "basis", "node, supply", "channels", "nJ per decision", "power, uW"),
        *("nJ at 130 nm, 1.2 V", "uW at 130 nm, 1.2 V", "heating, degC", "of what"),
    )
    rows = [_ours(row, values_of(metrics), process) for row, metrics in found.items() if not row.is_reference]
    rows += [_theirs(decoder) for decoder in decoders]
    return Table(header, tuple(rows), numeric=frozenset({3, 4, 5, 6, 7, 8}))


def _ours(row: Row, values: Mapping[str, float], process: Process) -> tuple[str, ...]:
    design = find_design(row.design)
    power = values.get("power__total_uw")
    energy = None if power is None else power / design.decisions_per_s * 1e3
    factor = to_reference(process.node_nm, process.typical.voltage)
    return (
        f"**`{row.name}`**",
        "synthesis",
        f"{process.node_nm} nm, {process.typical.voltage:.2f} V",
        str(design.tokenizer.channels),
        _shown(energy),
        _shown(power),
        _scaled(factor, energy),
        _scaled(factor, power),
        _heating(power),
        "decoder with tokenizer and memories, idling included",
    )


def _heating(power_uw: float | None) -> str:
    """Of cortex, in degC, and whether that is within the budget; nothing where no power is known."""
    if power_uw is None:
        return ""
    degc = power_uw / 1e3 * HEATING_DEGC_PER_MW
    return f"{number(degc, 2)}, {'good' if degc <= HEATING_BUDGET_DEGC else 'too warm'}"


def _theirs(decoder: Decoder) -> tuple[str, ...]:
    node = UNKNOWN if decoder.node_nm is None else f"{decoder.node_nm} nm"
    supply = UNKNOWN if decoder.volt is None else f"{decoder.volt:g} V"
    return (
        f"{decoder.name} ({decoder.citation})",
        decoder.basis,
        f"{node}, {supply}" if decoder.node_nm else UNKNOWN,
        UNKNOWN if decoder.channels is None else str(decoder.channels),
        _shown(decoder.energy_nj),
        _shown(decoder.power_uw),
        _scaled(decoder.factor, decoder.energy_nj),
        _scaled(decoder.factor, decoder.power_uw),
        _heating(decoder.power_uw),
        decoder.covers,
    )


def _scaled(factor: Factor | None, value: float | None) -> str:
    if value is None:
        return UNKNOWN
    if factor is None:
        return "not scaled"
    if factor.low == factor.high == 1:
        return number(value)
    low, high = (number(float(f"{value * end:.{SCALED_DIGITS}g}")) for end in (factor.low, factor.high))
    return low if low == high else f"{low} to {high}"
