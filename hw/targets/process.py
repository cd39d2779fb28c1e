"""Process: everything the flow asks of a silicon technology, as one value."""

from dataclasses import dataclass, field
from pathlib import Path

CORNERS = ("typ", "slow", "fast")
HEADLINE_CORNER = "typ"


class TargetError(ValueError):
    """A target that cannot be used; the message says what is missing and what to do."""


@dataclass(frozen=True)
class Corner:
    """One characterisation: `label` such as "typ_1p20V_25C"; Liberty files of the cells and of each macro."""

    label: str
    voltage: float
    temperature: float
    cells: Path
    macros: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """A cell with its pins, for Yosys: `clockgate -pos cell enable:clock:output`, `hilomap`."""

    cell: str
    pins: tuple[str, ...]


@dataclass(frozen=True)
class Macro:
    """One single-port memory: what the choice of a tiling needs to know, at the headline corner."""

    cell: str
    depth: int
    width: int
    area_um2: float
    read_pj: float
    write_pj: float
    leakage_w: float
    tied: tuple[tuple[str, int], ...] = ()
    """Further input pins and the constant each is tied to."""
    bit_mask: str = ""
    """Name of the bit-write mask pin, tied to ones; "" when there is none."""

    @property
    def address_bits(self) -> int:
        return (self.depth - 1).bit_length()


@dataclass(frozen=True)
class WireLoad:
    """Capacitance of a net's wire by fanout. `source` says where the numbers come from."""

    name: str
    fanout_pf: tuple[tuple[int, float], ...]
    source: str


@dataclass(frozen=True)
class Process:
    """A target of synthesis. `corners` has at least "typ"."""

    name: str
    node_nm: int
    corners: dict[str, Corner]
    avoid: tuple[str, ...]
    """Cells synthesis must not use (patterns)."""
    clock_gate: Gate | None
    tie_high: Gate | None
    tie_low: Gate | None
    macros: tuple[Macro, ...]
    memory_model: str
    """ "" when the macros are real; else the citation of the model that stands in for them."""
    wire_loads: tuple[tuple[float, WireLoad], ...]
    """(largest cell area in um2, wire load), ascending; the last one serves all larger designs."""
    note: str = ""
    """What the report must say about this target."""
    register_memories: bool = False
    """Whether every memory is to stay registers, macros or not."""

    @property
    def typical(self) -> Corner:
        return self.corners[HEADLINE_CORNER]

    def wire_load(self, area_um2: float) -> WireLoad:
        """The wire load for a design whose cells fill `area_um2`."""
        return next((load for limit, load in self.wire_loads if area_um2 <= limit), self.wire_loads[-1][1])
