"""The prototype step: the decoder of the bitstream is what is simulated, on enough windows, and a wrong one ends the build."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from designs.decoding_set import DecodingSet
from designs.ind_int4 import IND_INT4
from designs.ind_tiny import IND_TINY
from hw.build import board_flow
from hw.flow import prototype
from hw.flow.artifact import Kind
from hw.flow.prototype import PrototypeSimulation, enough_streams
from hw.flow.runner import check_flow
from hw.flow.step import CheckFailed
from hw.flow.train import Train
from hw.targets.board import BOARDS, Prototype, fit_to_board, prototype_decoder, why_no_netlist
from quant.golden.exactness import read_rows
from quant.golden.parameters import IntegerParameters
from rtl_sim.random_parameters import random_parameters, random_samples

BOARD = BOARDS["icebreaker"]
FITTED = fit_to_board(IND_TINY, BOARD)
LENGTH, TOKENS = FITTED.tokenizer.token_samples, FITTED.model.tokens


def streams(*decisions: int) -> list[np.ndarray]:
    """Streams that give so many decisions; every sample of one holds its number."""
    channels = FITTED.tokenizer.channels
    return [np.full(((count + TOKENS - 1) * LENGTH, channels), at) for at, count in enumerate(decisions)]


@pytest.mark.parametrize(
    ("decisions", "taken"),
    [((3, 4, 5), [3, 2]), ((5,), [5]), ((9,), [5]), ((2, 1), [2, 1]), ((0, 6), [5]), ((5, 5), [5])],
)
def test_streams_are_taken_until_there_are_enough_windows(decisions: tuple[int, ...], taken: list[int]) -> None:
    found = enough_streams(FITTED, streams(*decisions), windows=5)
    assert [len(stream) // LENGTH - TOKENS + 1 for stream in found] == taken


def test_the_board_flow_simulates_before_it_makes_the_bitstream() -> None:
    names = {board: [step.name for step in board_flow(Train(None, None, None), board, IND_TINY)] for board in BOARDS}
    assert names == {
        "icebreaker": ["train", "quantize", "check", "prototype", "bitstream", "report"],
        "ulx3s-85f": ["train", "quantize", "check", "prototype", "fpga_netlist", "bitstream", "report"],
    }
    for board in BOARDS:
        check_flow(board_flow(Train(None, None, None), board, IND_TINY))


def test_cells_that_are_not_simulated_are_said_with_the_reason() -> None:
    assert why_no_netlist(IND_TINY, BOARDS["ulx3s-85f"]) == ""
    assert why_no_netlist(IND_TINY, BOARDS["icebreaker"]) == "no models of ice40 cells"
    assert "weights, more than the 4096" in why_no_netlist(IND_INT4, BOARDS["ulx3s-85f"])
    assert "fpga_netlist" not in [step.name for step in board_flow(Train(None, None, None), "ulx3s-85f", IND_INT4)]


def test_the_bitstream_holds_the_decoder_that_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    class Found(Exception):
        pass

    def note(design: object, parameters: object, *, taps: bool = False) -> None:
        made.append((design, parameters, taps))
        raise Found

    parameters = random_parameters(FITTED, seed=1)
    monkeypatch.setattr("hw.targets.board.prototype_decoder", note)
    with pytest.raises(Found):
        Prototype(FITTED, parameters, BOARD).elaborate(BOARD.platform())
    assert made == [(FITTED, parameters, False)]


def test_the_decoder_has_no_load_port_and_its_weights_from_the_start() -> None:
    decoder = prototype_decoder(FITTED, random_parameters(FITTED, seed=1))
    assert decoder.design == FITTED
    assert decoder.load_port is None


def decoding_set(path: Path, decisions: int) -> Path:
    samples = random_samples(FITTED, tokens=decisions + TOKENS - 1, seed=3).astype(np.int16)
    DecodingSet(
        samples=samples,
        stream_start=np.array([0]),
        window_stream=np.zeros(2, int),
        window_token=np.array([TOKENS - 1, TOKENS]),
        window_label=np.array([0, 1]),
        window_part=np.array([2, 2]),
        label_names=np.array(["rest", "move"]),
        lsb_uv=np.array(0.1),
        sample_hz=np.array(600.0),
        source=np.array("random codes"),
    ).save(path)
    return path


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[IntegerParameters], Path]:
    """Runs the step with decoder `held`, the golden model being seed 5; returns its folder."""
    golden = random_parameters(FITTED, seed=5)
    monkeypatch.setattr(prototype, "read_qonnx", lambda path, design: golden)
    monkeypatch.setattr(prototype, "WINDOWS", 6)

    def run(held: IntegerParameters) -> Path:
        monkeypatch.setattr(
            prototype, "prototype_decoder", lambda design, given, taps: prototype_decoder(design, held, taps=taps)
        )
        folder = tmp_path / "prototype"
        folder.mkdir()
        files = {Kind.QONNX: tmp_path, Kind.DECODING_SET: decoding_set(tmp_path / "set.npz", 8)}
        result = PrototypeSimulation(BOARD.name).run(IND_TINY, files, folder)
        values = {metric.name: metric.value for metric in result.metrics}
        assert values["clock_khz"] == BOARD.clock_hz // 1000
        assert 0 < values["cycles__per_decision"] <= values["cycles__available"]
        assert values["latency_ms"] == pytest.approx(values["latency_cycles"] / values["clock_khz"], abs=1e-4)
        assert not result.failures
        return folder

    return run


@pytest.mark.verilator
def test_every_boundary_of_the_decoder_equals_the_golden_model(step: Callable[[IntegerParameters], Path]) -> None:
    rows = read_rows(step(random_parameters(FITTED, seed=5)) / "exactness.json")
    assert {row.pair for row in rows} == {"prototype RTL = golden"}
    assert {"tokens", "embed", "readout", "decision", "m_axis"} <= {row.boundary for row in rows}
    assert all(row.windows == 6 and row.mismatches == 0 for row in rows)


@pytest.mark.verilator
def test_other_weights_in_the_decoder_end_the_build(step: Callable[[IntegerParameters], Path]) -> None:
    held = random_parameters(FITTED, seed=5)
    readout = held.linear["readout"]
    other = replace(readout, bias=readout.bias + np.eye(1, len(readout.bias), dtype=readout.bias.dtype)[0])
    with pytest.raises(CheckFailed, match="ind_tiny: prototype RTL = golden does not hold at readout: window 0"):
        step(replace(held, linear={**held.linear, "readout": other}))
