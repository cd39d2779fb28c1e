"""Artifacts: the kinds of file that pass between steps, and the hash of what is in them."""

import hashlib
from collections.abc import Iterable
from enum import Enum
from pathlib import Path


class Kind(Enum):
    """What a file is; the value is how reports and messages call it. A kind may be a file or a whole folder."""

    CHECKPOINT = "trained network"
    DECODING_SET = "decoding set"
    QAT_CHECKPOINT = "quantized network"
    QONNX = "QONNX graph"
    BREVITAS_TRACE = "Brevitas integers"
    EXACT_REFERENCE = "exactness of Brevitas, golden model and FINN"
    VERILOG = "Verilog folder"
    """ind.v and ind.il, and FINN's files where that backend is chosen: what is synthesized. Memories are not preset."""
    TAPPED_VERILOG = "Verilog folder with taps"
    """The same decoder with every boundary visible as tap_<stream>_*: what is simulated."""
    RTL_LOAD = "weight-load frames"
    LINT = "lint log"
    EXACT_RTL = "exactness of the RTL"
    RTL_CYCLES = "cycle counts"
    NETLIST = "netlist"
    NETLIST_JSON = "netlist as JSON"
    AREA = "area per block"
    SDC = "timing constraints"
    SDF = "cell delays"
    TIMING = "timing report"
    ACTIVITY = "switching activity"
    EXACT_NETLIST = "exactness of the netlist"
    POWER = "power per block"
    FLOOR = "energy of the necessary work"
    FLOAT_REFERENCE = "multiply-adds in binary32"
    FPGA_NETLIST = "FPGA netlist"
    FPGA_PLACED = "placed and routed design"
    FPGA_REPORT = "FPGA resources and timing"
    BITSTREAM = "bitstream"
    METRICS = "metrics of all steps so far"
    REPORT = "report"


Files = dict[Kind, Path]
"""What a step is given and what it makes: one path per kind."""


SOURCE_LIST, GUARDED_LIST = "files.f", "guarded.f"
"""In a Verilog folder: names of its sources in compile order, one a line; in one with taps also of those that simulate fast."""


def verilog_files(folder: Path, listed: str = SOURCE_LIST) -> list[Path]:
    """The Verilog and SystemVerilog sources of a VERILOG or TAPPED_VERILOG folder, in compile order."""
    return [folder / name for name in (folder / listed).read_text().split()]


def hash_path(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, or of the names and bytes of all files below a folder."""
    found = hashlib.sha256()
    if path.is_dir():
        for below in sorted(path.rglob("*")):
            if below.is_file():
                found.update(f"{below.relative_to(path).as_posix()} {hash_path(below)}\n".encode())
        return found.hexdigest()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def hash_text(parts: Iterable[str]) -> str:
    """Hex SHA-256 of the parts, kept apart by newlines."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
