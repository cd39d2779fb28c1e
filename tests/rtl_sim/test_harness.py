"""The C++ harness counts, compares, stalls, loads and times a top level whose right answers are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw.rtl.emit import emit_component
from rtl_sim.harness import HarnessError, HarnessResult, Mismatch, check_load, measure_latency, simulate
from rtl_sim.harness_model import HarnessTop
from rtl_sim.stalls import STALLS
from rtl_sim.verilator import VerilatorError
from tests.rtl_sim.toy_decoder import DESIGN, TAPS, TOKEN_SAMPLES, ToyDecoder, trace

pytestmark = pytest.mark.verilator
WINDOW = DESIGN.model.tokens


def toy_top(folder: Path, **options: bool) -> HarnessTop:
    files = emit_component(ToyDecoder(**options), "ind", folder)
    return HarnessTop(files=(files[0],), taps=TAPS, optimise="-O0")


def streams(*tokens: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(-2048, 2048, (count * DESIGN.tokenizer.token_samples, 4)).astype(np.int16) for count in tokens]


def run(top: HarnessTop, folder: Path, samples: list[np.ndarray], **options) -> HarnessResult:
    return simulate([], DESIGN, None, samples, folder / "harness", top=top, trace=trace, **options)


@pytest.fixture(scope="module")
def correct(tmp_path_factory: pytest.TempPathFactory) -> tuple[HarnessTop, Path]:
    folder = tmp_path_factory.mktemp("correct")
    return toy_top(folder), folder


@pytest.fixture(scope="module")
def faulty_and_empty(tmp_path_factory: pytest.TempPathFactory) -> tuple[HarnessTop, Path]:
    """From the 20th token on wrong, and without its weights at power-up."""
    folder = tmp_path_factory.mktemp("faulty")
    return toy_top(folder, fault=True, preloaded=False), folder


@pytest.mark.parametrize("stall", STALLS)
def test_a_correct_top_has_no_mismatch(correct, stall: str) -> None:
    top, folder = correct
    result = run(top, folder, streams(30, 3, 4, 600), stall=stall)
    assert result.passed
    assert result.windows == result.expected_windows == 27 + 0 + 1 + 597
    # a stream of 597 decisions is cut in two segments that overlap by a window less one token
    assert [(b.name, b.expected, b.values) for b in result.boundaries] == [
        ("sums", 637, 637),
        ("pairs", 625 * 8, 625 * 8),
        ("readout", 625 * 4, 625 * 4),
        ("m_axis", 625 * 8, 625 * 8),
    ]


def test_full_speed_takes_one_cycle_per_sample(correct) -> None:
    top, folder = correct
    result = run(top, folder, streams(30))
    assert result.cycles_per_decision == TOKEN_SAMPLES


def test_samples_at_the_real_time_rate_give_the_latency(correct) -> None:
    top, folder = correct
    latency = measure_latency([], DESIGN, None, streams(30)[0], folder / "harness", decisions=5, top=top, trace=trace)
    assert (latency.windows, latency.min_cycles, latency.max_cycles) == (5, DESIGN.model.outputs, DESIGN.model.outputs)
    assert latency.longest_sample_wait_cycles == 0


def test_the_first_wrong_integer_is_named_and_all_are_counted(faulty_and_empty) -> None:
    top, folder = faulty_and_empty
    samples = streams(25, 10)
    result = run(top, folder, samples, load=b"\x12\x12")
    expected = int(trace(samples[0])["sums"][20, 0])
    sums, pairs, readout, port = result.boundaries
    assert not result.passed
    assert sums.first == Mismatch(stream=0, window=20, index=(0,), expected=expected, found=expected + 1)
    assert readout.first == Mismatch(stream=0, window=20 - WINDOW + 1, index=(0,), expected=expected, found=expected + 1)
    assert (sums.mismatches, pairs.mismatches, readout.mismatches, port.mismatches) == (5, 5 * 8, 5 * 4, 5 * 4)


@pytest.mark.parametrize("stall", STALLS)
def test_a_wrong_lane_is_named_by_its_place_in_the_stream(tmp_path: Path, stall: str) -> None:
    """Output 3 of row 1 passes last but one in no order but its own: as lane 1 of the fourth transfer."""
    samples = streams(6)
    result = run(toy_top(tmp_path, lane_fault=True), tmp_path, samples, stall=stall)
    right = int(trace(samples[0])["pairs"][0, 1, 3])
    wrong = right - 64 if right >= 0 else right + 64
    _, pairs, readout, _ = result.boundaries
    assert pairs.first == Mismatch(stream=0, window=0, index=(1, 3), expected=right, found=wrong)
    assert (pairs.values, pairs.mismatches, readout.mismatches) == (3 * 8, 3, 0)


def test_lanes_pass_group_after_group() -> None:
    pairs = TAPS[1]
    assert pairs.places.tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
    assert pairs.payload_bits == 16


def test_missing_transfers_are_mismatches(correct) -> None:
    def one_more(samples: np.ndarray) -> dict[str, np.ndarray]:
        found = trace(samples)
        return found | {"sums": np.concatenate([found["sums"], [[0]]])}

    top, folder = correct
    result = simulate([], DESIGN, None, streams(10), folder / "harness", top=top, trace=one_more)
    assert result.stuck
    assert [boundary.mismatches for boundary in result.boundaries] == [1, 0, 0, 0]


def test_weights_come_through_the_load_port(faulty_and_empty) -> None:
    top, folder = faulty_and_empty
    assert run(top, folder, streams(6), load=b"\x12\x12").passed
    with pytest.raises(HarnessError, match="takes no samples after this weight load"):
        run(top, folder, streams(6), load=b"\x12\x13")
    good = check_load([], DESIGN, b"\x12\x12", folder / "harness", top=top)
    assert (good.loaded_before, good.loaded, good.load_error, good.load_refused, good.accepts_samples) == (0, 1, 0, 0, 1)
    corrupt = check_load([], DESIGN, b"\x12\x13", folder / "harness", top=top)
    assert (corrupt.loaded, corrupt.load_error, corrupt.accepts_samples) == (0, 1, 0)
    refused = check_load([], DESIGN, b"\x12\x12", folder / "harness", top=top, armed=True)
    assert (refused.loaded, refused.load_refused) == (0, 1)


def test_samples_of_another_shape_or_range_are_refused(correct) -> None:
    top, folder = correct
    with pytest.raises(ValueError, match=r"ind_tiny: stream 0 has shape \(100, 5\) where \[samples, 4\] is needed"):
        run(top, folder, [np.zeros((100, 5), np.int16)])
    with pytest.raises(ValueError, match="ind_tiny: stream 0 has samples beyond INT12; digitise it first"):
        run(top, folder, [np.full((1000, 4), 2048, np.int16)])


def test_a_tap_that_does_not_exist_is_named(correct) -> None:
    top, folder = correct
    unknown = replace(top, taps=(*TAPS, replace(TAPS[0], stream=replace(TAPS[0].stream, name="nowhere"))))
    with pytest.raises(VerilatorError, match="tap_nowhere"):
        run(unknown, folder / "unknown", streams(5))


def test_a_ready_that_waits_for_valid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="an output follows an input within a cycle"):
        run(toy_top(tmp_path, follows=True), tmp_path, streams(30), stall="half")
