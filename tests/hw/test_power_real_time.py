"""Power at the real-time rate, at other clocks and temperatures, and the placed area: formulas on round numbers."""

import numpy as np
import pytest

from hw.flow.power import at_other_clock
from hw.power.body_leakage import Leakage, by_corners, by_doubling
from hw.power.engine import PowerResult
from hw.power.placed_area import HALO_UM, UTILISATION, placed_um2, with_halo_um2
from hw.power.real_time import Load, RealTime, by_block
from tests.hw.small_liberty import small_cells
from tests.hw.small_netlists import make_netlist

# two instances; a decoding cycle takes 10 + 20 + 2 pJ (2 outside the decoder), an idle one 1 + 2; leakage 3 uW and 4 uW
BUSY = PowerResult(np.array([[10.0, 0, 0, 0], [0, 20.0, 0, 0]]), 2.0, np.array([1e-6, 2e-6]))
STILL = PowerResult(np.array([[0, 0, 1.0, 0], [0, 0, 2.0, 0]]), 0.0, np.array([2e-6, 2e-6]))
LOAD = Load(clock_hz=1e6, decisions_per_s=10, cycles_per_decision=20_000)  # decoding for a fifth of the time
FOUND = RealTime(BUSY, STILL, LOAD)


def test_the_headline_is_decoding_for_the_duty_and_idling_for_the_rest():
    assert LOAD.duty == 0.2
    assert (FOUND.decoding_uw, FOUND.idle_uw) == (32 + 3, 3 + 4)
    assert FOUND.total_uw == pytest.approx(0.2 * 35 + 0.8 * 7)
    assert FOUND.dynamic_uw.sum() + FOUND.leakage_uw.sum() + FOUND.inputs_uw == pytest.approx(FOUND.total_uw)
    assert FOUND.by_kind() == pytest.approx({"logic": 2.4, "registers": 4, "clock": 2.4, "memories": 0, "leakage": 3.8})


def test_a_decision_takes_what_is_above_idling_or_all():
    assert FOUND.energy_per_decision_nj == pytest.approx((FOUND.total_uw - FOUND.idle_uw) / 10 * 1e3)
    assert FOUND.whole_energy_per_decision_nj == pytest.approx(FOUND.total_uw / 10 * 1e3)
    assert FOUND.total_uw == pytest.approx(FOUND.energy_per_decision_nj * 10 / 1e3 + FOUND.idle_uw)


@pytest.mark.parametrize("factor", [0.2, 0.5, 1.0, 2.0])
def test_another_clock_keeps_the_energy_of_decoding_and_changes_the_cycles_between(factor):
    clock = 1e6 * factor
    busy_cycles = 20_000 * 10
    leakage = 3 * busy_cycles / clock + 4 * (1 - busy_cycles / clock)
    dynamic = (busy_cycles * 32 + (clock - busy_cycles) * 3) * 1e-6
    assert FOUND.at_clock_uw(clock) == pytest.approx(dynamic + leakage)


def test_a_clock_that_is_too_slow_or_too_fast_is_refused_with_the_reason():
    assert at_other_clock(FOUND, 1e6, 2e6).uw == pytest.approx(FOUND.total_uw)
    fast = at_other_clock(FOUND, 4e6, 2e6)
    assert (fast.uw, fast.refused) == (None, "above the 2 MHz of the slowest corner")
    slow = at_other_clock(FOUND, 1e5, 2e6)
    assert (slow.uw, slow.refused) == (None, "does not keep up with 10 decisions per second")
    with pytest.raises(ValueError, match="100000 Hz does not keep up with 10 decisions per second"):
        FOUND.at_clock_uw(1e5)


def test_blocks_add_up_to_the_whole_and_the_inputs_belong_to_the_top():
    table = by_block(FOUND, ["a", "b"])
    assert sum(sum(row.values()) for row in table.values()) == pytest.approx(FOUND.total_uw)
    assert list(table) == ["b", "a", "top"]
    assert table["top"]["logic"] == pytest.approx(0.4)
    assert table["a"] == pytest.approx({"logic": 2, "registers": 0, "clock": 0.8, "memories": 0, "leakage": 1.8})


def test_leakage_at_37_degrees_between_two_corners_and_by_doubling():
    typical = Leakage(uw=2.0, celsius=25, volt=1.2)
    hot, cold = Leakage(uw=2.0 * 8 / 1.2, celsius=125, volt=1.0), Leakage(uw=9.0, celsius=-40, volt=1.3)
    assert by_corners(typical, [cold, hot]) == pytest.approx(2.0 * 8 ** (12 / 100))
    assert by_corners(typical, [cold]) is None and by_corners(typical, []) is None
    assert by_doubling(typical) == pytest.approx(2.0 * 2**1.2)


def test_placed_cells_leave_gaps_and_memories_have_a_rim(tmp_path):
    cells = small_cells(tmp_path)
    ram = {"A_CLK": "clk"}
    netlist = make_netlist(cells, {"clk": ("input", ["clk"])}, {"i": ("INV", {"A": "clk", "Y": "y"}), "m": ("RAM4X2", ram)})
    width, height = 20.0, 5.0  # 100 um2, four times as wide as high
    assert with_halo_um2(100) == pytest.approx((width + 2 * HALO_UM) * (height + 2 * HALO_UM))
    assert placed_um2(netlist, tree_um2=12.0) == pytest.approx((1 + 12) / UTILISATION + with_halo_um2(100))
