"""The Liberty files of a netlist in one corner: cells of the process, macros that the netlist uses, modelled memories."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from designs.schema import Design
from hw.flow.tool import WrongInput
from hw.power.cells import Cell, read_library
from hw.power.netlist import Netlist
from hw.power.wire_load import wire_loads_pf
from hw.targets import modelled_memory
from hw.targets.choose import find_process
from hw.targets.process import Process, TargetError


def process_for(design: Design) -> Process:
    """The process of the design's target; WrongInput with one line when it cannot be used."""
    try:
        return find_process(design.hardware.target)
    except TargetError as error:
        raise WrongInput(f"{design.name}: {error}") from error


def liberty_inputs(design: Design) -> tuple[Path, ...]:
    """The files that a step's result depends on: the cells of every corner, and the macros of the typical one."""
    process = process_for(design)
    return (*(corner.cells for corner in process.corners.values()), *process.typical.macros.values())


def used_macros(process: Process, netlist_json: Path) -> list[str]:
    """Names of the process's macros that the netlist instantiates."""
    types = set(re.findall(r'"type": "(\w+)"', netlist_json.read_text()))
    return [macro.cell for macro in process.macros if macro.cell in types]


def library_files(process: Process, corner: str, macros: list[str], folder: Path) -> list[Path]:
    """Liberty files of `corner`, cells first; those of modelled memories are written to `folder`."""
    found = process.corners[corner]
    if not process.memory_model:
        return [found.cells, *(found.macros[name] for name in macros)]
    scaling = modelled_memory.Scaling(process.node_nm, found.voltage)
    modelled = {macro.cell: macro for macro in process.macros}
    return [found.cells, *(modelled_memory.write_liberty(modelled[name], folder / f"{name}.lib", scaling) for name in macros)]


def read_cells(files: list[Path]) -> dict[str, Cell]:
    """All cells of the libraries by name."""
    return {name: cell for path in files for name, cell in read_library(path).cells.items()}


def net_wires_pf(netlist: Netlist, clocks: Sequence[int], process: Process) -> np.ndarray:
    """Wire capacitance of every net by the process's wire loads."""
    return wire_loads_pf(netlist, clocks, lambda area_um2: process.wire_load(area_um2).fanout_pf)
