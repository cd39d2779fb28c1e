"""IHP SG13G2: 130 nm, open, with SRAM macros and clock gates. Found through PDK_ROOT, the layout that `ciel` installs."""

import os
import re
from functools import cache
from pathlib import Path

from hw.power.cells import Library, read_library
from hw.power.engine import access_pj
from hw.targets.process import Corner, Gate, Macro, Process, TargetError
from hw.targets.wire_load_tables import read_wire_loads

NAME = "ihp_sg13g2"
CELLS = "libs.ref/sg13g2_stdcell/lib/sg13g2_stdcell_{}.lib"
MACROS = "libs.ref/sg13g2_sram/lib"
CORNER_FILES = {
    "typ": ("typ_1p20V_25C", "typ_1p20V_25C"),
    "slow": ("slow_1p08V_125C", "slow_1p08V_125C"),
    "fast": ("fast_1p32V_m40C", "fast_1p32V_m55C"),
}
"""Corner: label of the cells' file, label of the macros' file."""
SINGLE_PORT = re.compile(r"(RM_IHPSG13_1P_(\d+)x(\d+)_c\d_bm_bist)_typ_1p20V_25C\.lib")
TIED = (
    ("A_DLY", 1),
    *((f"A_BIST_{pin}", 0) for pin in ("EN", "CLK", "WEN", "REN", "MEN", "ADDR", "DIN", "BM")),
)


def find_pdk() -> Path | None:
    """The folder ihp-sg13g2 under PDK_ROOT, or None when there is none."""
    root = os.environ.get("PDK_ROOT")
    folder = Path(root).resolve() / "ihp-sg13g2" if root else None
    return folder if folder and (folder / CELLS.format("typ_1p20V_25C")).is_file() else None


@cache
def load(pdk: Path) -> Process:
    """The process from its PDK folder; TargetError when files are missing."""
    macros = sorted(_macros(pdk / MACROS), key=lambda macro: (macro.depth, macro.width))
    if not macros:
        raise TargetError(f"{NAME}: no single-port SRAM Liberty files under PDK_ROOT; install the whole PDK (ciel enable)")
    corners = {name: _corner(pdk, *labels, macros) for name, labels in CORNER_FILES.items()}
    typical = read_library(corners["typ"].cells)
    return Process(
        name=NAME,
        node_nm=130,
        corners=corners,
        avoid=("*sighold", "*dlh*", "*dll*", "*ebufn*", "*einvn*", "*lgcp*", "*slgcp*", "*dlygate*"),
        clock_gate=Gate("sg13g2_lgcp_1", ("GATE", "CLK", "GCLK")),
        tie_high=Gate("sg13g2_tiehi", ("L_HI",)),
        tie_low=Gate("sg13g2_tielo", ("L_LO",)),
        macros=tuple(macros),
        memory_model="",
        wire_loads=read_wire_loads(typical),
    )


def _corner(pdk: Path, cells_label: str, macros_label: str, macros: list[Macro]) -> Corner:
    cells = pdk / CELLS.format(cells_label)
    files = {macro.cell: pdk / MACROS / f"{macro.cell}_{macros_label}.lib" for macro in macros}
    missing = [path for path in (cells, *files.values()) if not path.is_file()]
    if missing:
        raise TargetError(f"{NAME}: {missing[0].name} is missing under PDK_ROOT; install the whole PDK (ciel enable)")
    conditions = re.fullmatch(r"\w+?_(\dp\d+)V_(m?\d+)C", cells_label)
    if conditions is None:
        raise TargetError(f"{NAME}: corner {cells_label} does not say its voltage and temperature")
    voltage, temperature = conditions.groups()
    return Corner(
        cells_label, float(voltage.replace("p", ".")), float(temperature.replace("m", "-")), cells=cells, macros=files
    )


def _macros(folder: Path) -> list[Macro]:
    found = []
    for path in sorted(folder.glob("*.lib")):
        match = SINGLE_PORT.fullmatch(path.name)
        if match:
            found.append(_macro(read_library(path), match.group(1), int(match.group(2)), int(match.group(3))))
    return found


def _macro(library: Library, name: str, depth: int, width: int) -> Macro:
    cell = library.cells.get(name)
    if cell is None:
        raise TargetError(f"{NAME}: {library.path.name} has no cell {name}; install the whole PDK again (ciel enable)")
    return Macro(
        cell=name,
        depth=depth,
        width=width,
        area_um2=cell.area_um2,
        read_pj=access_pj(cell, write=False),
        write_pj=access_pj(cell, write=True),
        leakage_w=cell.leakage_w,
        tied=TIED,
        bit_mask="A_BM",
    )
