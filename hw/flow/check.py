"""Check: Brevitas = FINN reference graph = integer golden model, at every boundary of every test window."""

from pathlib import Path

from designs.metric import read_metrics
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.exact import require_exact
from hw.flow.quantize import QONNX
from hw.flow.step import Result, Step, say
from hw.flow.tool import Tool, ToolError, run_module

FINN = Tool("finn", "the Python package finn-plus", at_least="1.6.1", distribution="finn-plus")


class Check(Step):
    """`python -m hw.finn_flow.reference`: import into FINN, streamline, execute, compare integers."""

    name = "check"
    needs = (Kind.QONNX, Kind.BREVITAS_TRACE)
    makes = (Kind.EXACT_REFERENCE,)
    specs = ("tokenizer", "model", "quant")
    tools = (FINN, QONNX)
    programs = ("hw.finn_flow.reference",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        exactness = folder / "exactness.json"
        given: list[str | Path] = ["--qonnx", files[Kind.QONNX], "--trace", files[Kind.BREVITAS_TRACE]]
        try:
            made = [exactness, folder / "metrics.json"]
            run_module("hw.finn_flow.reference", [design.name, *given, "--out", folder], folder, makes=made, on_line=say)
        except ToolError:
            if exactness.exists():
                require_exact(design, exactness)
            raise
        require_exact(design, exactness)
        # exact__windows and exact__mismatches are of all models together: the report makes them
        metrics = tuple(m for m in read_metrics(folder / "metrics.json") if not m.name.startswith("exact__"))
        return Result({Kind.EXACT_REFERENCE: exactness}, metrics)
