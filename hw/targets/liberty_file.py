"""Any other process by the path of its Liberty file: cells and power from the file, memories from the model."""

from pathlib import Path

from hw.power.cells import Library, read_library
from hw.power.liberty import LibertyError
from hw.targets import modelled_memory
from hw.targets.process import Corner, Gate, Process, TargetError
from hw.targets.wire_load_tables import read_wire_loads

REFERENCE_NAND2_UM2, REFERENCE_NM = 7.2576, 130
"""Area of the smallest 2-input NAND of IHP SG13G2: its ratio to this library's tells the linear size."""


def load(path: Path) -> Process:
    """The process of a Liberty file; TargetError with one line when it cannot be read or has no power tables."""
    if not path.is_file():
        raise TargetError(f"target {path}: there is no such file; give the path of a Liberty file")
    try:
        library = read_library(path)
    except LibertyError as error:
        raise TargetError(f"target {error}") from error
    if not any(cell.register for cell in library.cells.values()):
        raise TargetError(f"target {path.name}: has no flip-flops; give the Liberty file of a standard-cell library")
    scaling = modelled_memory.Scaling(_node_nm(library), library.voltage)
    return Process(
        name=library.name,
        node_nm=scaling.node_nm,
        corners={"typ": Corner(library.name, library.voltage, library.temperature, path.resolve())},
        avoid=tuple(cell.name for cell in library.cells.values() if _unfit(cell)),
        clock_gate=_clock_gate(library),
        tie_high=_tie(library, "1"),
        tie_low=_tie(library, "0"),
        macros=modelled_memory.macros(scaling),
        memory_model=scaling.citation,
        wire_loads=read_wire_loads(library),
        note=f"linear size {scaling.node_nm} nm judged from the smallest 2-input NAND",
    )


def _unfit(cell) -> bool:
    return cell.is_latch or cell.clock_gate is not None or any(pin.tristate for pin in cell.pins.values())


def _node_nm(library: Library) -> int:
    """130 nm times the square root of the NAND2's area ratio; 130 when the library has no NAND2."""
    nands = [
        cell.area_um2
        for cell in library.cells.values()
        for pin in cell.pins.values()
        if pin.function
        and len(pin.function.pins) == 2
        and [pin.function.value(dict(zip(pin.function.pins, bits, strict=True))) for bits in ((0, 0), (0, 1), (1, 0), (1, 1))]
        == [1, 1, 1, 0]
    ]
    return round(REFERENCE_NM * (min(nands) / REFERENCE_NAND2_UM2) ** 0.5) if nands and min(nands) > 0 else REFERENCE_NM


def _clock_gate(library: Library) -> Gate | None:
    gates = [
        (cell.area_um2, cell.name, (cell.clock_gate.enable, cell.clock_gate.clock, cell.clock_gate.output))
        for cell in library.cells.values()
        if cell.clock_gate and not cell.clock_gate.test
    ]
    if not gates:
        return None
    _, name, pins = min(gates, key=lambda gate: gate[0])
    return Gate(name, pins)


def _tie(library: Library, value: str) -> Gate | None:
    for cell in library.cells.values():
        for pin in cell.pins.values():
            if pin.direction == "output" and pin.function and pin.function.op == "const" and pin.function.pin == value:
                return Gate(cell.name, (pin.name,))
    return None
