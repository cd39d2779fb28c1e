"""What a netlist takes once it is placed: rows of cells that are not full, memories with a rim that stays free.

    placed = (cells + buffers of the clock tree) / UTILISATION + sum over memories of (width + 2 HALO) x (height + 2 HALO)

A Liberty file tells a memory's area and not its sides: width is taken as ASPECT times the height.
"""

from hw.power.netlist import Netlist

UTILISATION = 0.65
"""Placement density of OpenROAD-flow-scripts for IHP SG13G2 (PLACE_DENSITY in its platforms/ihp-sg13g2/config.mk)."""
HALO_UM = 10.0
"""LibreLane's default halo of a macro. OpenROAD-flow-scripts leaves 40 um on this process, for power rings and channels."""
ASPECT = 4.0
"""An assumption: IHP's single-port macros lie between 0.4 and 12, those of 32 to 64 bits between 1.2 and 12."""


def placed_um2(netlist: Netlist, tree_um2: float) -> float:
    """Area of the decoder without pads and power ring. `tree_um2`: buffers of the clock tree."""
    macros = [instance.cell.area_um2 for instance in netlist.instances if instance.cell.memory]
    return (netlist.cell_area_um2 + tree_um2) / UTILISATION + sum(with_halo_um2(area) for area in macros)


def with_halo_um2(area_um2: float) -> float:
    """A memory and its rim."""
    height = (area_um2 / ASPECT) ** 0.5
    return (ASPECT * height + 2 * HALO_UM) * (height + 2 * HALO_UM)
