"""Lint: Verilator reads all of it with every warning on. Waivers lie beside the Verilog and say why (hw.rtl.emit, FINN's)."""

from pathlib import Path

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind, verilog_files
from hw.flow.step import CheckFailed, Result, Step, say
from hw.flow.tool import LAST_LINES, LOG, ToolError, run_tool
from hw.flow.tools import VERILATOR
from hw.rtl.emit import TOP
from rtl_sim.verilator import verilator_environment, verilator_root


class Lint(Step):
    """`verilator --lint-only -Wall`: a warning that no `.vlt` file beside the Verilog waives is a failed check."""

    name = "lint"
    needs = (Kind.VERILOG,)
    makes = (Kind.LINT,)
    tools = (VERILATOR,)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        waivers = sorted(files[Kind.VERILOG].glob("*.vlt"))
        verilator = verilator_root() / "bin" / "verilator"
        options = ["--lint-only", "-Wall", "--no-timing", "--top-module", TOP]
        sources = verilog_files(files[Kind.VERILOG])
        try:
            run_tool([verilator, *options, *waivers, *sources], folder, env=verilator_environment(), on_line=say)
        except ToolError as error:
            warnings = [line for line in (folder / LOG).read_text().splitlines() if line.startswith("%")]
            first = warnings[0] if warnings else str(error)
            message = f"{design.name}: lint: {first}; mend the block that emits it"
            raise CheckFailed(message, lines=warnings[:LAST_LINES] or error.lines, log=folder / LOG) from error
        metric = Metric("lint__warnings", 0, "", "lower", f"Verilator {VERILATOR.version()} -Wall, {len(sources)} files")
        return Result({Kind.LINT: folder / LOG}, (metric,))
