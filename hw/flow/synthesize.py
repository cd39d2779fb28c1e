"""Synthesize: Verilog to a netlist of the target's cells and memory macros (Yosys)."""

import json
import shutil
from collections import defaultdict
from pathlib import Path
from string import Template

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind, verilog_files
from hw.flow.block_names import block_of
from hw.flow.libraries import liberty_inputs, library_files, process_for, read_cells, used_macros
from hw.flow.root_clock_gates import add_root_clock_gates
from hw.flow.step import Result, Step, say
from hw.flow.tool import ToolError, run_tool
from hw.flow.tools import YOSYS
from hw.power.netlist import Netlist, NetlistError, read_netlist
from hw.rtl.emit import CLOCK, TOP
from hw.targets.memory_tiling import Tiling, choose_tiling
from hw.targets.memory_wrapper import MemoryCell, find_memories, macro_stub, memory_rule
from hw.targets.process import Process

SCRIPTS = Path(__file__).parent / "scripts"
SLANG = "read_slang --threads 1 --allow-use-before-declare -D FINN_SIMULATION {tops} {files}\nchformal -remove"


class Synthesize(Step):
    """Verilog to a netlist of the target's cells; area per block."""

    name = "synthesize"
    needs = (Kind.VERILOG,)
    makes = (Kind.NETLIST, Kind.NETLIST_JSON, Kind.AREA)
    specs = ("hardware",)
    tools = (YOSYS,)
    scripts = ("hw/flow/scripts",)

    def outside(self, design: Design) -> tuple[Path, ...]:
        return liberty_inputs(design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        process = process_for(design)
        say(f"cells of {process.name}")
        tilings = synthesize(verilog_files(files[Kind.VERILOG]), TOP, process, folder)
        macros = used_macros(process, folder / "netlist.json")
        cells = read_cells(library_files(process, "typ", macros, folder))
        try:
            netlist = read_netlist(folder / "netlist.json", cells, TOP)
        except NetlistError as error:
            raise ToolError(f"synthesize: {error}", log=folder / "synthesize.log") from error
        areas = block_areas(netlist)
        (folder / "area.json").write_text(json.dumps(areas, indent=1) + "\n")
        made = {Kind.NETLIST: folder / "netlist.v", Kind.NETLIST_JSON: folder / "netlist.json", Kind.AREA: folder / "area.json"}
        return Result(made, _metrics(netlist, areas, tilings, process, cells))


def block_areas(netlist: Netlist) -> dict[str, dict[str, float]]:
    """Block -> um2 of its logic, registers, clock gates and memories."""
    areas: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(("logic", "registers", "clock", "memories"), 0.0))
    for instance in netlist.instances:
        areas[block_of(instance.name)][instance.cell.kind] += instance.cell.area_um2
    return dict(sorted(areas.items(), key=lambda item: -sum(item[1].values())))


def _metrics(netlist, areas, tilings, process: Process, cells) -> tuple[Metric, ...]:
    origin = f"Yosys {YOSYS.version()}, {process.typical.label}, before placement"
    if process.memory_model:
        origin += f"; {process.memory_model}"
    in_macros = sum(tiling.depth * tiling.width for tiling in tilings.values() if tiling.columns)
    nand2 = min((cell.area_um2 for name, cell in cells.items() if "nand2" in name.lower()), default=0.0)
    kinds = [instance.cell.kind for instance in netlist.instances]
    found = [
        Metric("area__total_um2", round(netlist.cell_area_um2 + netlist.macro_area_um2, 1), "um2", "lower", origin),
        Metric("area_of_cells_um2", round(netlist.cell_area_um2, 1), "um2", "lower", origin),
        Metric("area_of_memories_um2", round(netlist.macro_area_um2, 1), "um2", "lower", origin),
        Metric("cells", len(kinds) - kinds.count("memories"), "", "lower", origin),
        Metric("registers", kinds.count("registers"), "", "lower", origin),
        Metric("clock_gates", kinds.count("clock"), "", "none", origin),
        Metric("memory_macros", kinds.count("memories"), "", "lower", f"{origin}; memories.txt has every tiling"),
        Metric("memory_bits", in_macros, "bit", "lower", "words of the decoder that lie in memory macros"),
    ]
    if nand2:
        kge = netlist.cell_area_um2 / nand2 / 1000
        found.append(
            Metric("kge", round(kge, 2), "kGE", "lower", f"{origin}; cells without memories, in NAND2 of {nand2:g} um2")
        )
    for block, parts in areas.items():
        found.append(Metric(f"area__{block}_um2", round(sum(parts.values()), 1), "um2", "lower", origin))
    return tuple(found)


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
    apply_tilings = _write_memories(memories, tilings, folder)
    shutil.copy(process.typical.cells, folder / "cells.lib")
    clock_gate = _clock_gate_command(process)
    _run_yosys("gate_clocks.ys", folder, makes=["gated.json"], top=top, memories=apply_tilings, clock_gate=clock_gate)
    _gate_blocks(folder / "gated.json", top, process)
    _run_yosys(
        "map_cells.ys",
        folder,
        makes=["netlist.v", "netlist.json", "stat.json"],
        avoid=" ".join(f"-dont_use {pattern}" for pattern in process.avoid),
        tie=_tie_command(process),
    )
    for name in ("elaborated.il", "elaborated.json", "gated.json", "cells.lib"):
        (folder / name).unlink()
    shutil.rmtree(inputs)
    return tilings


def _read_commands(sources: list[Path], top: str) -> str:
    """File by file; where there is SystemVerilog, it and every `.v` but the top's go through slang, each `.v` a top of its own.

    slang flattens below its tops: read that way, the decoder keeps its hierarchy, where its memories are found.
    """
    names = {suffix: [f"sources/{path.name}" for path in sources if path.suffix == suffix] for suffix in (".il", ".v", ".sv")}
    if names[".sv"]:
        units = [name for name in names[".v"] if Path(name).stem != top]
        tops = " ".join(f"--top {Path(name).stem}" for name in units)
        own = [f"read_rtlil {name}" for name in names[".il"]] or [f"read_verilog -sv sources/{top}.v"]
        return "\n".join([*own, SLANG.format(tops=tops, files=" ".join(names[".sv"] + units))])
    return "\n".join([f"read_rtlil {name}" for name in names[".il"]] + [f"read_verilog -sv {name}" for name in names[".v"]])


def _write_memories(memories: list[MemoryCell], tilings: dict[str, Tiling], folder: Path) -> str:
    """Write the macros' stubs and one techmap rule per tiling; returns the commands that apply them."""
    rules: dict[Tiling, list[MemoryCell]] = {}
    for memory in memories:
        if tilings[memory.module].columns:
            rules.setdefault(tilings[memory.module], []).append(memory)
    commands = []
    for number, (tiling, cells) in enumerate(rules.items()):
        (folder / f"memory_{number}.v").write_text(memory_rule(f"memory_{number}", tiling))
        commands += [f"techmap -autoproc -map memory_{number}.v {memory.module}/{memory.cell}" for memory in cells]
    macros = {macro.cell: macro for tiling in rules for macro in tiling.columns}
    (folder / "macro_stubs.v").write_text("".join(macro_stub(macro) for macro in macros.values()))
    lines = [f"{memory.module}: {tilings[memory.module].description}" for memory in memories]
    (folder / "memories.txt").write_text("\n".join(lines) + "\n")
    return "\n".join(commands)


def _gate_blocks(path: Path, top: str, process: Process) -> None:
    """Root clock gates, where the process has clock gates and the top a clock of the decoder's name."""
    design = json.loads(path.read_text())
    if process.clock_gate is None or CLOCK not in design["modules"][top]["ports"]:
        return
    add_root_clock_gates(design, top, CLOCK, process.clock_gate)
    path.write_text(json.dumps(design))


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
