"""Blocks one behind the other: how the tokenizer and the pipeline are put together."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring


def connect_chain(m: Module, whole: Any, blocks: Mapping[str, Any]) -> None:
    """Submodules of `m` by name, in their order from the stream `whole.i` to `whole.o`; those that load hang on `whole.bus`."""
    for name, block in blocks.items():
        m.submodules[name] = block
        if hasattr(block, "bus"):
            wiring.connect(m, wiring.flipped(whole.bus), block.bus)
    chain = list(blocks.values())
    wiring.connect(m, wiring.flipped(whole.i), chain[0].i)
    for source, sink in pairwise(chain):
        wiring.connect(m, source.o, sink.i)
    wiring.connect(m, chain[-1].o, wiring.flipped(whole.o))
