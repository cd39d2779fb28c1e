"""Which macros make up a memory: depth x width -> banks of columns, by energy per access and area."""

from dataclasses import dataclass

from hw.targets.process import Macro, Process

REGISTER_UM2_PER_BIT_130NM = 80
"""A flip-flop with its share of the read multiplexer (measured, 130 nm)."""
REGISTER_AREA_SHARE = 0.5
"""Registers leak some 40 times more per bit than a macro: they must be this much smaller to be worth it."""
PJ_PER_UM2 = 4e-4
"""The area that one picojoule per access is worth, 2,500 um2: an assumption, and what hangs on it is in docs/power.md."""


@dataclass(frozen=True)
class Tiling:
    """`banks` rows of the same `columns`, side by side; one bank is accessed at a time. No columns: registers."""

    depth: int
    width: int
    banks: int
    columns: tuple[Macro, ...]

    @property
    def bank_depth(self) -> int:
        return self.columns[0].depth

    @property
    def area_um2(self) -> float:
        return self.banks * sum(macro.area_um2 for macro in self.columns)

    @property
    def read_pj(self) -> float:
        return sum(macro.read_pj for macro in self.columns)

    @property
    def description(self) -> str:
        if not self.columns:
            return f"{self.depth} x {self.width}: registers"
        parts = " + ".join(f"{macro.depth} x {macro.width}" for macro in self.columns)
        return f"{self.depth} x {self.width}: {self.banks} x ({parts}), {self.read_pj:.1f} pJ per read"


def choose_tiling(depth: int, width: int, process: Process) -> Tiling:
    """The cheapest tiling; registers when they are much smaller than it, or when the process has no macros or wants none."""
    found = [
        Tiling(depth, width, -(-depth // bank_depth), columns)
        for bank_depth in sorted({macro.depth for macro in process.macros})
        if (columns := _columns(width, bank_depth, process.macros))
    ]
    registers = Tiling(depth, width, 0, ())
    if not found or process.register_memories:
        return registers
    best = min(found, key=lambda tiling: tiling.read_pj + PJ_PER_UM2 * tiling.area_um2)
    register_um2 = depth * width * REGISTER_UM2_PER_BIT_130NM * (process.node_nm / 130) ** 2
    return registers if register_um2 <= REGISTER_AREA_SHARE * best.area_um2 else best


def _columns(width: int, bank_depth: int, macros: tuple[Macro, ...]) -> tuple[Macro, ...]:
    """Macros of `bank_depth` side by side that cover `width` bits at least cost; widest first."""
    fitting = [macro for macro in macros if macro.depth == bank_depth]
    best: list[tuple[float, tuple[Macro, ...]]] = [(0.0, ())]
    for bits in range(1, width + 1):
        best.append(
            min(
                (
                    (cost + macro.read_pj + PJ_PER_UM2 * macro.area_um2, (*columns, macro))
                    for macro in fitting
                    for cost, columns in (best[max(0, bits - macro.width)],)
                ),
                key=lambda entry: entry[0],
                default=(0.0, ()),
            )
        )
    return tuple(sorted(best[width][1], key=lambda macro: -macro.width))
