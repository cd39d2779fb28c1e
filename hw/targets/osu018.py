"""OSU 180 nm standard cells (Debian package qflow-tech-osu018): no SRAM, no clock gates, one corner. The embedded default."""

from functools import cache
from pathlib import Path

from hw.power.cells import read_library
from hw.targets import modelled_memory
from hw.targets.process import Corner, Process, TargetError
from hw.targets.wire_load_tables import read_wire_loads

NAME = "osu018"
CELLS = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
SCALING = modelled_memory.Scaling(node_nm=180, voltage=1.8)


@cache
def load(cells: Path = CELLS) -> Process:
    """The process; TargetError when the Debian package is not installed."""
    if not cells.is_file():
        raise TargetError(f"{NAME}: {cells.name} is not installed; run `apt-get install qflow-tech-osu018`")
    return Process(
        name=NAME,
        node_nm=SCALING.node_nm,
        corners={"typ": Corner("typ_1p80V_25C", 1.8, 25, cells)},
        avoid=("LATCH", "TBUF*", "CLKBUF*", "DFFNEG*", "DFFSR"),
        clock_gate=None,
        tie_high=None,
        tie_low=None,
        macros=modelled_memory.macros(SCALING),
        memory_model=SCALING.citation,
        wire_loads=read_wire_loads(read_library(cells)),
    )
