"""Checkpoints come back as they were saved, and only for the design they were trained for."""

import re
from dataclasses import replace

import pytest
import torch

from designs.ind_int8 import IND_INT8
from designs.ind_tiny import IND_TINY
from designs.model_hash import model_hash
from designs.number_format import INT8
from models.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, save_tensors
from models.ind import Ind
from models.standardise import Standardisation


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model, features = Ind(IND_TINY), IND_TINY.tokenizer.features
    standardisation = Standardisation(torch.arange(features).float(), torch.arange(1, features + 1).float())
    save_checkpoint(tmp_path / "model.safetensors", IND_TINY, model, standardisation, source="noise")
    return tmp_path / "model.safetensors", model, standardisation


def test_a_checkpoint_comes_back_as_it_was(saved):
    path, model, standardisation = saved
    found, scale = load_checkpoint(path, IND_TINY)
    for name, value in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], value)
    assert torch.equal(scale.centre, standardisation.centre)
    assert torch.equal(scale.scale, standardisation.scale)
    assert list(path.parent.iterdir()) == [path]


def test_bit_widths_and_hardware_leave_a_checkpoint_valid(saved):
    other = replace(IND_TINY, quant=replace(IND_TINY.quant, weight=INT8), hardware=replace(IND_TINY.hardware, clock_khz=200))
    load_checkpoint(saved[0], other)


def test_a_checkpoint_of_another_design_is_refused(saved):
    expected = f"is of design ind_tiny ({model_hash(IND_TINY)}), not of ind_int8 ({model_hash(IND_INT8)}) as it is now;"
    with pytest.raises(CheckpointError, match=re.escape(expected)):
        load_checkpoint(saved[0], IND_INT8)


def test_a_missing_checkpoint_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"none: no such checkpoint; train it with python -m models\.train$"):
        load_checkpoint(tmp_path / "none", IND_TINY)


def test_a_truncated_checkpoint_is_refused(saved):
    path = saved[0]
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a readable checkpoint \(.*\); train it again$"):
        load_checkpoint(path, IND_TINY)


@pytest.mark.parametrize("place", [-1, -1000])
def test_a_byte_that_changed_on_disk_is_seen(saved, place):
    path = saved[0]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"its numbers are not those that were written \(damaged or edited\); train it again$"
    ):
        load_checkpoint(path, IND_TINY)


def test_safetensors_of_something_else_are_refused(tmp_path):
    save_tensors(tmp_path / "other", {"a": torch.zeros(1)}, {})
    with pytest.raises(CheckpointError, match=r"other: holds no float checkpoint of this project; train one with"):
        load_checkpoint(tmp_path / "other", IND_TINY)


def test_weights_that_are_no_numbers_are_refused(saved):
    path, model, standardisation = saved
    with torch.no_grad():
        model.readout.bias[0] = torch.nan
    save_checkpoint(path, IND_TINY, model, standardisation)
    with pytest.raises(CheckpointError, match=r"holds weights that are not finite; train it again$"):
        load_checkpoint(path, IND_TINY)
