"""The simulate step: budgets that the cycles break are named with what helps, and what the harness compared becomes rows."""

from dataclasses import replace

from designs.ind_tiny import IND_TINY as ENGINE
from designs.schema import Design
from hw.flow.simulate import budget_failures, exactness_rows
from quant.golden.exactness import Mismatch, Row
from rtl_sim import harness
from rtl_sim.backends import with_backend
from rtl_sim.harness import BoundaryResult, HarnessResult, Latency

IND_TINY = with_backend("ind_tiny", "amaranth")
AVAILABLE = IND_TINY.hardware.clock_khz * IND_TINY.tokenizer.token_ms
HELP = "raise hardware.clock_khz, or give the stages more multipliers with a lower hardware.stage_cycles"


def result(*boundaries: BoundaryResult, cycles: float = 1000.0) -> HarnessResult:
    return HarnessResult(3, 3, boundaries, 9000, 1.0, 1.0, cycles, stuck=False)


def latency(cycles: int) -> Latency:
    return Latency(windows=10, min_cycles=1, max_cycles=cycles, longest_sample_wait_cycles=0)


def slow(clock_khz: int) -> Design:
    return replace(IND_TINY, hardware=replace(IND_TINY.hardware, clock_khz=clock_khz, stage_cycles=100))


def test_budgets_that_hold_to_the_last_cycle_are_no_failures() -> None:
    at_the_budget = int(IND_TINY.hardware.latency_budget_ms * IND_TINY.hardware.clock_khz)
    assert budget_failures(IND_TINY, result(cycles=AVAILABLE), latency(at_the_budget)) == ()


def test_a_decoder_that_cannot_keep_up_is_told_what_helps() -> None:
    assert budget_failures(IND_TINY, result(cycles=AVAILABLE + 1), latency(1)) == (
        f"ind_tiny: 16001 cycles per decision, but 100 kHz gives 16000: it cannot keep up; {HELP}",
    )


def test_a_decision_that_comes_late_is_told_what_helps() -> None:
    assert budget_failures(IND_TINY, result(), latency(5001)) == (
        f"ind_tiny: latency 50.01 ms is over hardware.latency_budget_ms=50; {HELP}",
    )


def test_more_multipliers_are_no_advice_where_the_tokenizer_is_too_slow() -> None:
    [line] = budget_failures(slow(clock_khz=2), result(cycles=900), latency(1))
    assert line == "ind_tiny: 900 cycles per decision, but 2 kHz gives 320: it cannot keep up; raise hardware.clock_khz"


def test_the_engine_is_helped_by_its_clock_alone() -> None:
    [line] = budget_failures(ENGINE, result(), latency(5001))
    assert line == "ind_tiny: latency 50.01 ms is over hardware.latency_budget_ms=50; raise hardware.clock_khz"


def test_what_the_harness_compared_becomes_rows() -> None:
    wrong = BoundaryResult("pool", 24, 24, 2, harness.Mismatch(0, 5, (3,), 4, -4))
    missing = BoundaryResult("readout", 12, 8, 4)
    assert exactness_rows(result(wrong, missing), "RTL = golden") == [
        Row("pool", "RTL = golden", 3, 24, 2, Mismatch(5, (3,), 4, -4)),
        Row("readout", "RTL = golden", 3, 8, 4, None),
    ]
