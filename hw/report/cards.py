"""The cards at the top of a report: what a reader asks first."""

from hw.report.page import Card
from hw.report.results import Results
from hw.report.table import number, percent

TISSUE_BUDGET_DEGC = 1.0


def cards(results: Results) -> tuple[Card, ...]:
    """Those cards whose numbers this flow has made."""
    found = [*_accuracy(results), *_exactness(results), *_silicon(results), *_fpga(results)]
    return tuple(found)


def _accuracy(results: Results) -> list[Card]:
    rows = (("float", "float"), ("QAT", "qat"), ("integer", "integer"))
    shares = {"accuracy": percent, "r2": lambda value: number(value, 3)}
    titles = {"accuracy": "accuracy", "r2": "R\u00b2"}
    return [
        Card(f"{titles[measure]}, {name}", shown(metric.value), note=metric.origin)
        for measure, shown in shares.items()
        for name, key in rows
        if (metric := results.get(f"{measure}__{key}")) is not None
    ]


def _exactness(results: Results) -> list[Card]:
    windows, mismatches = results.value("exact__windows"), results.value("exact__mismatches")
    if windows is None or mismatches is None:
        return []
    verdict = "good" if mismatches == 0 else "bad"
    return [
        Card("differing integers", number(mismatches), note=f"over {windows:.0f} windows at every boundary", verdict=verdict)
    ]


def _silicon(results: Results) -> list[Card]:
    found = []
    power, area = results.get("power__total_uw"), results.get("area__total_um2")
    if power is not None:
        found.append(
            Card("power, real time", number(power.value), "uW", "decoding and idling, with glitches, wires and clock tree")
        )
    heating = results.get("tissue_heating_degc")
    if heating is not None:
        verdict = "good" if heating.value < TISSUE_BUDGET_DEGC else "bad"
        found.append(Card("tissue heating", number(heating.value, 2), "\u00b0C", heating.origin, verdict))
    worst = results.get("power__worst_case_uw")
    if worst is not None:
        found.append(Card("power, worst case", number(worst.value), "uW", "full-scale noise on all channels"))
    if area is not None:
        found.append(Card("area", f"{area.value / 1e6:.3f}", "mm\u00b2", "cells and memories before placement"))
    energy = results.get("energy_per_decision_nj")
    if energy is not None:
        found.append(Card("energy per decision", number(energy.value), "nJ", "above idling"))
    latency, limit = results.get("latency_ms"), results.value("latency_budget_ms")
    if latency is not None:
        verdict = "" if limit is None else "good" if latency.value <= limit else "bad"
        note = "last sample to decision" + (f", budget {limit:g} ms" if limit is not None else "")
        found.append(Card("latency", number(latency.value), "ms", note, verdict))
    return found


def _fpga(results: Results) -> list[Card]:
    names = {"fpga__luts": "LUTs", "fpga__brams": "block memories", "fpga__dsps": "multipliers"}
    found = [Card(title, number(m.value), note=m.origin) for key, title in names.items() if (m := results.get(key)) is not None]
    fmax, clock = results.get("fpga__fmax_mhz"), results.value("fpga__clock_mhz")
    if fmax is not None:
        verdict = "" if clock is None else "good" if fmax.value >= clock else "bad"
        found.append(Card("Fmax", number(fmax.value), "MHz", f"clock {clock:g} MHz" if clock else fmax.origin, verdict))
    return found
