"""Quantize: the float decoder to integers, by quantization-aware training, and the QONNX graph that carries them."""

from pathlib import Path

from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.step import Result, Step, say
from hw.flow.tool import Tool, run_module
from hw.flow.train import TORCH
from hw.report.metric import read_metrics

BREVITAS = Tool("brevitas", "the Python package brevitas", at_least="0.13", distribution="brevitas")
QONNX = Tool("qonnx", "the Python package qonnx", at_least="1.0", distribution="qonnx")


class Quantize(Step):
    """`python -m quant.train_qat`: power-of-two scales, half-up rounding; also Brevitas' own integers for the check."""

    name = "quantize"
    needs = (Kind.CHECKPOINT, Kind.DECODING_SET)
    makes = (Kind.QAT_CHECKPOINT, Kind.QONNX, Kind.BREVITAS_TRACE)
    specs = ("tokenizer", "model", "quant")
    tools = (TORCH, BREVITAS, QONNX)
    programs = ("quant.train_qat",)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        made = {
            Kind.QAT_CHECKPOINT: folder / "qat.safetensors",
            Kind.QONNX: folder / f"{design.name}.qonnx",
            Kind.BREVITAS_TRACE: folder / "brevitas_trace.npz",
        }
        arguments: list[str | Path] = [design.name, "--train", files[Kind.CHECKPOINT].parent, "--out", folder]
        run_module("quant.train_qat", arguments, folder, makes=[*made.values(), folder / "metrics.json"], on_line=say)
        return Result(made, read_metrics(folder / "metrics.json"))
