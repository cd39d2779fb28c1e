"""The decoder holds the memories that the plan says, and no others than its datasheets name."""

import pytest

from designs.catalogue import CATALOGUE
from hw.plan.folding import fold
from hw.plan.memory import find_region, regions
from hw.rtl.ind import Ind
from hw.rtl.memory_list import memories_of
from hw.rtl.tokenizer import Tokenizer
from rtl_sim.random_parameters import random_parameters


def test_the_memories_of_the_tokenizer() -> None:
    design = CATALOGUE["ind_int4"]
    tokenizer = Tokenizer(design.tokenizer, find_region(design, fold(design), "token_shift"))
    found = {memory.path: (memory.depth, memory.width) for memory in memories_of(tokenizer)}
    assert found == {
        "wavelet_bank.pair": (32, 12),
        "wavelet_bank.state": (160, 18 * 12),
        "pool.sums": (160, 2 * 21),
        "pool.shift": (160, 2 * 5),
        "token_buffer": (160, 2 * 8),
    }


@pytest.mark.parametrize("name", ["ind_tiny", "ind_int4"])
def test_every_region_is_one_memory_of_its_size(name: str) -> None:
    design = CATALOGUE[name]
    built = [(memory.depth, memory.width) for memory in memories_of(Ind(design, random_parameters(design, seed=1)))]
    for region in regions(design, fold(design)):
        assert (region.depth, region.width) in built, region.name
        built.remove((region.depth, region.width))
    assert built, "the working memories are left"
