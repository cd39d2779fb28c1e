"""Which memories a component holds, read from what is really built: for reports, and to compare with the plan."""

import re
from dataclasses import dataclass

from amaranth.back import rtlil
from amaranth.lib import wiring

_MODULE = re.compile(r"^module \\(\S+)", re.MULTILINE)
_MEMORY = re.compile(r"^\s*memory width (\d+) size (\d+) ", re.MULTILINE)


@dataclass(frozen=True)
class BuiltMemory:
    """`depth` words of `width` bits at `path`, the block names from the top down: tokenizer.wavelet_bank.pair."""

    path: str
    depth: int
    width: int

    @property
    def bits(self) -> int:
        return self.depth * self.width


def memories_of(component: wiring.Component) -> tuple[BuiltMemory, ...]:
    """Every memory in `component`, which is elaborated for it (a component can be elaborated once only)."""
    return memories_in(rtlil.convert(component, name="top", emit_src=False))


def memories_in(rtlil_text: str) -> tuple[BuiltMemory, ...]:
    """Every memory in RTLIL that Amaranth wrote, in the order of the text."""
    starts = list(_MODULE.finditer(rtlil_text))
    ends = [start.start() for start in starts[1:]] + [len(rtlil_text)]
    return tuple(
        BuiltMemory(_path(start[1]), int(found[2]), int(found[1]))
        for start, end in zip(starts, ends, strict=True)
        for found in _MEMORY.finditer(rtlil_text, start.end(), end)
    )


def _path(module: str) -> str:
    """Module name top.tokenizer.pool.sums.memory -> tokenizer.pool.sums: without the top and the primitive's own name."""
    return ".".join(module.split(".")[1:]).removesuffix(".memory")
