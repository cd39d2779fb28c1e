"""Quantize: the float decoder to integers, by quantization-aware training, and the QONNX graph that carries them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from designs.metric import Metric, read_metrics
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.given import refuse_other
from hw.flow.step import Result, Step, WrongInput, say
from hw.flow.tool import Tool, run_module
from hw.flow.train import TORCH

BREVITAS = Tool("brevitas", "the Python package brevitas", at_least="0.13", distribution="brevitas")
QONNX = Tool("qonnx", "the Python package qonnx", at_least="1.0", distribution="qonnx")


LOSS_ALLOWED = 0.02
"""Accuracy that integers may lose, besides one test window."""
R2_LOSS_ALLOWED = 0.05
"""R2 that a regressor's integers may lose."""


@dataclass(frozen=True)
class Quantize(Step):
    """`python -m quant.train_qat`: power-of-two scales, half-up rounding; also Brevitas' own integers for the check."""

    seed: int | None = None
    """Of batches and augmentation; None: the command's own."""
    teacher: str | None = None
    """A file of models.distill whose teacher stays in the loss; None: the float decoder is the only one."""

    name = "quantize"
    needs = (Kind.CHECKPOINT, Kind.DECODING_SET)
    makes = (Kind.QAT_CHECKPOINT, Kind.QONNX, Kind.BREVITAS_TRACE)
    specs = ("tokenizer", "model", "quant")
    tools = (TORCH, BREVITAS, QONNX)
    programs = ("quant.train_qat",)

    def options(self) -> dict[str, str]:
        return {"seed": repr(self.seed)} | ({"taught": "True"} if self.teacher else {})  # its file counts by content

    def outside(self, design: Design) -> tuple[Path, ...]:
        if self.teacher is None:
            return ()
        if not Path(self.teacher).is_file():
            raise WrongInput(f"--teacher {self.teacher}: no such file; models.distill writes one, lesson.safetensors")
        return (Path(self.teacher),)

    def require(self, design: Design) -> None:
        super().require(design)
        if self.teacher is not None:
            refuse_other(f"--teacher {self.teacher}", Path(self.teacher), design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        made = {
            Kind.QAT_CHECKPOINT: folder / "qat.safetensors",
            Kind.QONNX: folder / f"{design.name}.qonnx",
            Kind.BREVITAS_TRACE: folder / "brevitas_trace.npz",
        }
        arguments: list[str | Path] = [design.name, "--train", files[Kind.CHECKPOINT].parent, "--out", folder]
        if self.seed is not None:
            arguments += ["--seed", str(self.seed)]
        if self.teacher is not None:
            arguments += ["--teacher", self.teacher]
        run_module("quant.train_qat", arguments, folder, makes=[*made.values(), folder / "metrics.json"], on_line=say)
        metrics = read_metrics(folder / "metrics.json")
        with np.load(made[Kind.BREVITAS_TRACE], allow_pickle=False) as trace:
            windows = len(trace["test_label"])
        trained = read_metrics(files[Kind.CHECKPOINT].parent / "metrics.json")
        return Result(made, metrics, accuracy_lost((*trained, *metrics), windows))


def accuracy_lost(metrics: tuple[Metric, ...], windows: int) -> tuple[str, ...]:
    """The failure of integers that decode worse than LOSS_ALLOWED and one of `windows` below float, or that lose more than
    R2_LOSS_ALLOWED; else nothing."""
    found = {metric.name: metric.value for metric in metrics}
    if "r2__float" in found:
        if found["r2__float"] - found["r2__integer"] <= R2_LOSS_ALLOWED:
            return ()
        return (
            f"quantize: integers reach R2 {found['r2__integer']:.3f}, the float decoder {found['r2__float']:.3f}: more than "
            f"{R2_LOSS_ALLOWED:g} lost; give the design wider weights or another --seed",
        )
    before, after = found["accuracy__float"], found["accuracy__integer"]
    if before - after <= LOSS_ALLOWED + 1 / windows + 1e-9:
        return ()
    return (
        f"quantize: integers decode {after:.1%} of {windows} test windows, the float decoder {before:.1%}: "
        f"more than {LOSS_ALLOWED:.0%} and one window lost; give the design wider weights or another --seed",
    )
