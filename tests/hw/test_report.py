"""The report: the exactness verdict, comparisons, tables, and pages that leave out what a flow does not make."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from designs.ind_tiny import IND_TINY
from designs.metric import Metric
from hw.flow.artifact import Kind
from hw.flow.exact import require_exact
from hw.flow.report import exactness_metrics
from hw.flow.step import CheckFailed
from hw.report.compare import compare, of_steps
from hw.report.content import Decoded, page
from hw.report.power_section import PowerDetail
from hw.report.results import Results
from hw.report.table import Table, number
from quant.golden.exactness import Mismatch, Row, read_rows, write_rows

GOOD = {"boundary": "pool", "pair": "RTL = golden", "windows": 240, "values": 1920, "mismatches": 0, "first": None}
BAD = GOOD | {
    "boundary": "block0_query",
    "mismatches": 2,
    "first": {"window": 17, "index": [3, 5], "expected": 4, "found": -4},
}


def test_one_differing_integer_ends_the_build_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "exactness.json"
    path.write_text(json.dumps({"rows": [GOOD, BAD]}))
    with pytest.raises(CheckFailed) as caught:
        require_exact(IND_TINY, path)
    assert caught.value.log == path
    assert str(caught.value) == (
        "ind_tiny: RTL = golden does not hold at block0_query: window 17, token 3, index 5: expected 4, found -4 "
        "(2 of 1920 values differ at 1 boundaries)"
    )


def test_values_that_never_came_end_the_build_too(tmp_path: Path) -> None:
    path = tmp_path / "exactness.json"
    write_rows([Row("pool", "RTL = golden", 3, 24, 8, None)], path)
    with pytest.raises(CheckFailed) as caught:
        require_exact(IND_TINY, path)
    assert str(caught.value) == (
        "ind_tiny: RTL = golden does not hold at pool: 8 values are missing or too many (8 of 24 values differ at 1 boundaries)"
    )


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = (Row("pool", "a = b", 3, 24, 0, None), Row("embed", "a = b", 3, 96, 2, Mismatch(1, (2, 3), -4, 5)))
    write_rows(rows, tmp_path / "exactness.json")
    assert read_rows(tmp_path / "exactness.json") == rows
    assert [path.name for path in tmp_path.iterdir()] == ["exactness.json"]


def test_equal_integers_pass(tmp_path: Path) -> None:
    path = tmp_path / "exactness.json"
    path.write_text(json.dumps({"rows": [GOOD]}))
    assert require_exact(IND_TINY, path) == (Row("pool", "RTL = golden", 240, 1920, 0, None),)


def test_windows_are_the_least_of_the_full_comparisons_and_mismatches_the_sum_of_all(tmp_path: Path) -> None:
    path = tmp_path / "exactness.json"
    path.write_text(json.dumps({"rows": [GOOD | {"windows": 200}, GOOD, BAD]}))
    rows = read_rows(path)
    found = exactness_metrics({Kind.EXACT_RTL: rows, Kind.EXACT_NETLIST: rows[1:2]})
    assert {metric.name: metric.value for metric in found} == {
        "exact__windows": 200,
        "exact__mismatches": 2,
        "exact__values": 4 * 1920,
        "exact__netlist_windows": 240,
    }


def metric(name: str, value: float, better: str = "lower") -> Metric:
    return Metric(name, value, "uW", better, "test")


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        ([metric("power", 2)], [metric("power", 2)], []),
        ([metric("power", 2)], [metric("power", 3)], ["power: 2 -> 3 uW (worse)"]),
        ([metric("power", 2)], [metric("power", 1)], ["power: 2 -> 1 uW (better)"]),
        ([metric("accuracy", 2, "higher")], [metric("accuracy", 1, "higher")], ["accuracy: 2 -> 1 uW (worse)"]),
        ([metric("power", 2)], [], ["power: was 2 uW, is missing now"]),
        ([metric("wall", 2, "none")], [], []),
        ([], [metric("power", 2)], []),
    ],
)
def test_metrics_are_compared_by_their_direction(before: list, now: list, lines: list[str]) -> None:
    changes = compare(before, now)
    assert [str(change) for change in changes] == lines
    assert all(change.worse == ("better" not in str(change)) for change in changes)


def test_only_metrics_of_the_steps_that_ran_are_compared() -> None:
    train = [metric("accuracy", 1, "higher"), metric("wall_s__train", 9, "none"), metric("peak_memory_mib__train", 9, "none")]
    power = [metric("power", 2), metric("wall_s__power", 9, "none"), metric("peak_memory_mib__power", 9, "none")]
    assert of_steps([*train, *power], ["train", "quantize"]) == tuple(train)
    assert of_steps([*train, *power], ["train", "power"]) == (*train, *power)
    assert of_steps([metric("power", 2)], ["train"]) == (metric("power", 2),)  # written by hand, of no step


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (123.45, "123"),
        (1234567, "1\u202f234\u202f567"),
        (2e-6, "2.0e-06"),
    ],
)
def test_a_number_is_written_with_its_significant_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_row_has_a_cell_per_column() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells"):
        Table(("a", "b"), (("1",),))


def test_what_is_written_by_others_is_shown_as_text() -> None:
    table = Table(("<b>",), (("a | <script>",),))
    assert "<script>" not in table.html()
    assert r"a \| <script>" in table.markdown()


POWERED = (
    metric("power__total_uw", 3),
    metric("power__total_low_uw", 1),
    metric("power__leakage_uw", 0.5),
    metric("power__block0_query_uw", 2),
    metric("power__block0_query_low_uw", 1),
    metric("power__embed_uw", 1),
)


def test_a_page_shows_power_per_block_largest_first() -> None:
    text = page(IND_TINY, Results(POWERED), ()).markdown("report")
    rows = re.search(r"\| block \| low \(uW\) \| high \(uW\) \|\n.*\n((?:\|.*\n)+)", text)
    assert rows is not None
    assert rows.group(1).splitlines() == ["| block0_query | 1 | 2 |", "| embed |  | 1 |", "| **total** | **1** | **3** |"]


CONDITIONS = {"idle": {"clock": 1.0}, "decoding": {"logic": 3.0, "clock": 1.0}}
CLOCKS = (
    {"khz": 50.0, "uw": 2.5, "refused": ""},
    {"khz": 200.0, "uw": None, "refused": "above the 0.1 MHz of the slowest corner"},
)


def test_a_page_says_what_the_headline_is_and_tells_the_other_conditions() -> None:
    more = (
        Metric("duty", 0.25, "share", "lower", "test"),
        metric("power__idle_uw", 1.5),
        metric("power__worst_case_uw", 4.5),
        metric("power__peak_noise_uw", 9.5),
        metric("power__at_50_khz_uw", 2.5),
        Metric("latency_cycles", 400, "cycles", "lower", "test"),
    )
    detail = PowerDetail({"embed": {"logic": 1.0}}, CONDITIONS, CLOCKS, peak_cycles=64)
    whole = page(IND_TINY, Results((*POWERED, *more)), (), power=detail)
    text = whole.markdown("report")
    assert "The headline, 3 uW, is the high figure at the real-time rate, decoding for 25.0 % of the time and idle" in text
    assert "A peak is the mean of 64 cycles." in text
    assert "| idle | 1.5 uW | clock running, no samples |" in text
    assert "| worst case | 4.5 uW | the same with full-scale noise on all channels instead of the recording |" in text
    assert "| 50 kHz | 2.5 uW | 8 ms |" in text
    assert "| 200 kHz | refused: above the 0.1 MHz of the slowest corner |  |" in text
    for name in ("peak_noise", "at_50_khz"):
        assert f"| {name} |" not in text, "no block"
    assert [picture.name for section in whole.sections for picture in section.pictures] == ["power", "power_conditions"]


def test_a_placed_area_is_told_and_is_no_block() -> None:
    placed = Metric("area__placed_um2", 1.5e6, "um2", "lower", "at 65 % utilisation")
    areas = (
        Metric("area__total_um2", 1e6, "um2", "lower", "test"),
        Metric("area__embed_um2", 1e6, "um2", "lower", "test"),
        placed,
    )
    text = page(IND_TINY, Results(areas), ()).markdown("report")
    assert "Placed it would take 1.5 mm\u00b2: at 65 % utilisation." in text
    assert "| embed | 1\u202f000\u202f000 | 100.0 % |" in text and "| placed |" not in text


def test_a_page_needs_nothing_from_outside_and_leaves_out_what_is_not_made() -> None:
    html = page(IND_TINY, Results((metric("fpga__luts", 900),)), (), power=PowerDetail({"embed": {"logic": 1.0}})).html()
    assert "Power" not in html
    assert "What is not modelled" not in html
    assert not re.search(r'(?:src|href)="(?!data:)', html)
    assert "LUTs" in html


def decoded(kind: str) -> Decoded:
    rng = np.random.default_rng(0)
    wanted = rng.normal(0, 1, (90, 2)) if kind == "values" else rng.integers(0, 2, 90)
    found = wanted + rng.normal(0, 0.1, wanted.shape) if kind == "values" else 1 - wanted
    return Decoded(wanted, found, np.zeros(90, int), np.arange(90) / 20, ("velocity x", "velocity y"))


def test_a_regressors_page_shows_courses_and_r2_and_no_classes() -> None:
    results = Results((metric("r2__integer", 0.9456, "higher"), metric("correlation__integer", 0.97, "higher")))
    whole = page(IND_TINY, results, (), decoded("values"))
    assert [picture.name for section in whole.sections for picture in section.pictures] == ["scatter", "course"]
    text = whole.html()
    assert "R\u00b2, integer" in text and "0.946" in text
    assert "confusion" not in text and "94.6" not in text


def test_a_classifiers_page_shows_who_is_taken_for_whom() -> None:
    whole = page(IND_TINY, Results((metric("accuracy__integer", 0.9, "higher"),)), (), decoded("classes"))
    assert [picture.name for section in whole.sections for picture in section.pictures] == ["confusion", "timeline"]
    assert "accuracy, integer" in whole.html() and "90.0" in whole.html()
