"""What the gate-level run is fed and how its transfers are judged, without a netlist."""

import numpy as np
import pytest

from designs.ind_int4 import IND_INT4
from designs.ind_tiny import IND_TINY
from designs.schema import Design
from designs.spikes_int4 import SPIKES_INT4
from hw.flow.netlist_samples import (
    LEAST_SIGNAL_S,
    NOISE_DECISIONS,
    READOUT_BITS,
    SPARE_TOKENS,
    NetlistRunError,
    choose_stretches,
    compare_with_golden,
    counted_decisions,
    golden_rows,
    noise,
)
from hw.power.gate_simulator import LANES
from quant.golden.trace import trace_samples
from rtl_sim.random_parameters import random_parameters, random_samples
from rtl_sim.small_designs import SMALL

LENGTH, CHANNELS = IND_TINY.tokenizer.token_samples, IND_TINY.tokenizer.channels
NEEDED = IND_TINY.model.tokens + 3 + SPARE_TOKENS
GIVEN = NEEDED - IND_TINY.model.tokens + 1


def streams(*tokens: int) -> list[np.ndarray]:
    """Streams of so many tokens; every sample holds the number of its stream."""
    return [np.full((count * LENGTH, CHANNELS), at) for at, count in enumerate(tokens)]


def test_no_stretch_crosses_from_a_stream_into_the_next_where_one_is_long_enough() -> None:
    found = choose_stretches(IND_TINY, streams(NEEDED + 20, NEEDED - 1, NEEDED + 20), decisions=3).samples
    assert len(found) == LANES
    assert all(len(stretch) == NEEDED * LENGTH and len(np.unique(stretch)) == 1 for stretch in found)
    assert {int(stretch[0, 0]) for stretch in found} == {0, 2}


def test_short_streams_are_put_behind_one_another() -> None:
    found = choose_stretches(IND_TINY, streams(NEEDED - 1, 1), decisions=3)
    assert len(np.unique(found.samples[0])) == 2
    assert found.windows == GIVEN


def test_windows_that_come_twice_count_once() -> None:
    found = [choose_stretches(IND_TINY, streams(tokens), 3) for tokens in (NEEDED, NEEDED + 5, LANES * 2 * NEEDED)]
    assert [chosen.windows for chosen in found] == [GIVEN, GIVEN + 5, LANES * GIVEN]
    seconds = [3, 3 + 5, LANES * 3]
    assert [chosen.signal_s for chosen in found] == pytest.approx([0.16 * tokens for tokens in seconds])


@pytest.mark.parametrize("design", [IND_TINY, IND_INT4, SPIKES_INT4], ids=lambda design: design.name)
def test_enough_decisions_are_counted_for_twenty_seconds(design: Design) -> None:
    decisions = counted_decisions(design)
    assert decisions >= 3
    assert LANES * decisions * design.tokenizer.token_ms / 1000 >= LEAST_SIGNAL_S


def test_noise_fills_the_format_on_every_channel_and_its_last_windows() -> None:
    loud = noise(IND_TINY, seed=1)
    assert loud.shape[::2] == (LANES, CHANNELS)
    assert all((loud[..., at].min(), loud[..., at].max()) == (-2048, 2047) for at in range(CHANNELS))
    assert abs(loud.std() / (4096 / 12**0.5) - 1) < 0.01
    assert len(golden_rows(IND_TINY, loud.shape[1])) == 1 + NOISE_DECISIONS + SPARE_TOKENS


def test_too_little_material_is_refused() -> None:
    with pytest.raises(NetlistRunError, match=f"the test streams have {NEEDED - 1} tokens, gate-level activity needs {NEEDED}"):
        choose_stretches(IND_TINY, streams(NEEDED - 1), decisions=3)


def test_a_regressor_shows_no_class() -> None:
    design = SMALL["mean_value"]
    parameters = random_parameters(design, seed=5)
    stretch = random_samples(design, tokens=design.model.tokens + 2, seed=3).astype(np.int64)
    rows = trace_samples(stretch, parameters)["readout"] & ((1 << READOUT_BITS) - 1) | 1 << READOUT_BITS + 1
    assert [row.mismatches for row in compare_with_golden(design, parameters, [stretch], [rows.reshape(-1)], 3)] == [0, 0, 0]
    rows[1] |= 1 << READOUT_BITS
    assert [row.mismatches for row in compare_with_golden(design, parameters, [stretch], [rows.reshape(-1)], 3)] == [0, 1, 0]


@pytest.mark.parametrize("wrong", ["", "readout", "decision", "tlast"])
def test_every_transfer_is_compared_with_its_framing(wrong: str) -> None:
    parameters = random_parameters(IND_TINY, seed=5)
    stretch = random_samples(IND_TINY, tokens=IND_TINY.model.tokens + 2, seed=3).astype(np.int64)
    golden, outputs = trace_samples(stretch, parameters), IND_TINY.model.outputs
    class_bits = (outputs - 1).bit_length()
    last = np.arange(outputs) == outputs - 1
    rows = (golden["readout"] & ((1 << READOUT_BITS) - 1)) | golden["decision"].reshape(-1, 1) << READOUT_BITS
    rows = rows | last.astype(np.int64) << READOUT_BITS + class_bits
    flipped = {"readout": (1, 0, 0), "decision": (1, -1, READOUT_BITS), "tlast": (1, 0, READOUT_BITS + class_bits)}
    if wrong:
        window, index, bit = flipped[wrong]
        rows[window, index] ^= 1 << bit
    found = compare_with_golden(IND_TINY, parameters, [stretch], [rows.reshape(-1)], 3)
    assert {row.boundary: row.mismatches for row in found} == {
        name: int(name == wrong) for name in ("readout", "decision", "tlast")
    }
    assert all(row.windows == 3 for row in found)
