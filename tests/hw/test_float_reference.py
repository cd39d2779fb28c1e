"""Full precision beside integers: the float decoder in numpy, its sums, and what an engine of it would take."""

import numpy as np
import pytest

from designs.ind_int4 import IND_INT4
from designs.ind_stream_int4 import IND_STREAM_INT4
from designs.ind_tiny import IND_TINY
from designs.layer_table import linear_layers
from hw.flow.float_operands import float_factors, float_trace, read_checkpoint
from hw.flow.float_reference import FLOAT, INTEGER, added_uw, float_sums, integer_sums
from hw.flow.operands import Sequences
from hw.flow.step import WrongInput
from hw.flow.unit_energy import UnitEnergy


def tensors_of(design, rng: np.random.Generator) -> dict[str, np.ndarray]:
    found = {"position": rng.normal(size=(design.model.tokens, design.model.embed_dim)).astype(np.float32)}
    for layer in linear_layers(design):
        block, _, part = layer.name.rpartition("_")
        inside = "attention." if part in ("query", "key", "value", "project") else ""
        name = f"{block.replace('block', 'blocks.')}.{inside}{part}" if block else part
        found[f"{name}.weight"] = rng.normal(size=(layer.outputs, layer.inputs)).astype(np.float32) * 0.06
        found[f"{name}.bias"] = rng.normal(size=layer.outputs).astype(np.float32) * 0.1
    return found


@pytest.mark.train
def test_the_float_decoder_is_that_of_the_models():
    torch = pytest.importorskip("torch")
    from models.ind import Ind

    design, rng = IND_INT4, np.random.default_rng(2)
    tensors = tensors_of(design, rng)
    tokens = rng.integers(0, 256, (14, design.tokenizer.features))
    trace = float_trace(tokens, tensors, design)
    model = Ind(design)
    model.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=False)
    windows = np.stack([trace["tokens"][i : i + design.model.tokens] for i in range(5)])
    with torch.no_grad():
        wanted = model.embedding(torch.from_numpy(windows)).numpy()
    assert np.allclose(trace["pool"], wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


def test_every_dense_layer_has_its_factors():
    design, rng = IND_TINY, np.random.default_rng(2)
    tensors = tensors_of(design, rng)
    trace = float_trace(rng.integers(0, 256, (9, design.tokenizer.features)), tensors, design)
    found = list(float_factors(design, tensors, trace))
    assert [(part.rows.shape[1], part.columns.shape) for part in found] == [
        (layer.inputs, (layer.outputs, layer.inputs)) for layer in linear_layers(design)
    ]
    assert all(part.rows.dtype == part.columns.dtype == np.float32 for part in found)


def test_sums_begin_anew_and_round_after_each_step():
    first = np.array([[1, 0, 0, 1]])
    operands = Sequences(np.array([[2, 3, 4, 5]]), np.array([[1, 10, 100, -1]]), first)
    assert integer_sums(operands).tolist() == [[2, 32, 432, -5]]
    floats = Sequences(np.float32([[1, 2**-13, 1e-30, 3]]), np.float32([[1, 2**-12, 1e-30, 0.1]]), first)
    found = float_sums(floats)
    assert found.dtype == np.float32
    tiny = np.float32([[1e-40, 1e30]])  # a subnormal is taken as 0
    assert float_sums(Sequences(tiny[:, :1], tiny[:, 1:], first[:, :1])).tolist() == [[0.0]]
    # 2 ** -25 is half a unit below the last place and rounds to even; 1e-60 is below the smallest normal
    assert found.tolist() == [[1.0, 1.0, 1.0, float(np.float32(3) * np.float32(0.1))]]


UNITS = {FLOAT: UnitEnergy({"high": 40.0}, 0, 9000.0), INTEGER: UnitEnergy({"high": 4.0}, 0, 3000.0)}
ROW = dict.fromkeys(("logic", "registers", "clock", "memories", "leakage"), 0.0)
BLOCKS = {
    "array": ROW | {"logic": 2.0, "leakage": 0.5},
    "parameters": ROW | {"memories": 1.0, "leakage": 0.2},  # 4 bits become 32
    "columns": ROW | {"memories": 0.7},  # 8 bits become 32
    "rows": ROW | {"memories": 0.4},  # 8 as well
    "wavelet_bank": ROW | {"logic": 9.0},
}
ADDED = 2.0 * 9 + 0.5 * 2 + 1.2 * 7 + (0.7 + 0.4) * 3


def test_an_engine_in_binary32_by_hand():
    assert added_uw(IND_INT4, UNITS, BLOCKS) == pytest.approx(ADDED)


def test_an_engine_whose_states_run_on_has_one_more_memory():
    bits = IND_STREAM_INT4.quant.activation.bits
    blocks = BLOCKS | {"values": ROW | {"registers": 0.3}}
    assert added_uw(IND_STREAM_INT4, UNITS, blocks) == pytest.approx(ADDED + 0.3 * (32 / bits - 1))
    with pytest.raises(WrongInput, match=r"^ind_stream_int4: power.json has no block values; its blocks are array, columns, "):
        added_uw(IND_STREAM_INT4, UNITS, BLOCKS)


@pytest.mark.parametrize("name", ["array", "columns", "rows", "parameters"])
def test_a_block_that_is_missing_is_not_zero(name):
    blocks = {other: row for other, row in BLOCKS.items() if other != name}
    with pytest.raises(WrongInput, match=f"^ind_int4: power.json has no block {name}; its blocks are "):
        added_uw(IND_INT4, UNITS, blocks)


def test_a_file_that_is_no_checkpoint_is_one_line(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("nothing")
    with pytest.raises(WrongInput, match=r"^model.safetensors: not a readable checkpoint \(.*\); train it again$"):
        read_checkpoint(path)
