"""The decoder holds the memories that the plan says, and no others than its datasheets name."""

import re
from dataclasses import replace

import pytest

from designs.catalogue import CATALOGUE
from designs.schema import PreprocessSpec
from hw.plan.engine import memory_map
from hw.plan.folding import fold
from hw.plan.memory import find_region, regions
from hw.rtl.ind import Ind
from hw.rtl.memory_list import memories_of
from hw.rtl.tokenizer import Tokenizer
from rtl_sim.backends import with_backend
from rtl_sim.random_parameters import random_parameters


def test_the_memories_of_the_tokenizer() -> None:
    design = CATALOGUE["ind_int4"]
    tokenizer = Tokenizer(design.tokenizer, {"token_shift": find_region(design, fold(design), "token_shift")})
    found = {memory.path: (memory.depth, memory.width) for memory in memories_of(tokenizer)}
    assert found == {
        "wavelet_bank.pair": (32, 12),
        **{f"wavelet_bank.state_{part}": (160, 2 * 2 * 12) for part in range(3)},
        "pool.sums": (160, 2 * 21),
        "pool.shift": (2 * 160, 2 * 4),
        "token_buffer": (160, 2 * 8),
    }


def test_the_memories_of_preprocessing() -> None:
    design = CATALOGUE["ind_int4"]
    spec = replace(design.tokenizer, preprocess=PreprocessSpec(drift_bits=8, dead_after=1200))
    design, folding = replace(design, tokenizer=spec), fold(design)
    built = memories_of(Tokenizer(spec, {region.name: region for region in regions(design, folding)}))
    found = {memory.path: (memory.depth, memory.width) for memory in built if memory.path.startswith("preprocess")}
    assert found == {"preprocess.state": (32, 20 + 12 + 11), "preprocess.gain": (2 * 32, 6)}


@pytest.mark.parametrize("name", ["ind_tiny", "ind_int4"])
def test_every_region_is_one_memory_of_its_size(name: str) -> None:
    design = with_backend(name, "amaranth")
    built = [(memory.depth, memory.width) for memory in memories_of(Ind(design, random_parameters(design, seed=1)))]
    for region in regions(design, fold(design)):
        assert (region.words, region.width) in built, region.name
        built.remove((region.words, region.width))
    assert built, "the working memories are left"


def test_the_memories_of_the_engine() -> None:
    design = with_backend("ind_int4", "engine")
    built = memories_of(Ind(design, random_parameters(design, seed=1)))
    found = {memory.path: (memory.depth, memory.width) for memory in built if memory.path.startswith("engine")}
    at = memory_map(design)
    assert found == {
        # embed, each block 4 x 32 x 4 + 32 x 8 + 64 x 4 steps; biases of 60 groups of rows; positions of 32 dims; readout twice
        "engine.parameters.memory": (320 * 4 // 2 + 1024 + 60 * 3 + 32 * 2 + 2 * (32 // 2 + 3), 64),
        "engine.datapath.columns": (at.depth, 10 * 8),
        "engine.rows": (at.second_depth, 8 * 8),
    }


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_the_engines_regions_fill_one_memory(name: str) -> None:
    design = with_backend(name, "engine")
    built = {memory.path: memory for memory in memories_of(Ind(design, random_parameters(design, seed=1)))}
    kinds = r"(embed|block).*_(weight|bias)|position|readout"
    held = [region for region in regions(design, {}) if re.fullmatch(kinds, region.name)]
    found = built["engine.parameters.memory"]
    assert (found.depth, found.width) == (sum(region.words for region in held), max(region.width for region in held))
