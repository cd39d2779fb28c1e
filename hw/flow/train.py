"""Train: a recording to a trained float decoder and the decoding set everything after it is measured on."""

import os
from dataclasses import dataclass
from pathlib import Path

from designs.metric import read_metrics
from designs.recording_files import recording_files
from designs.recording_place import MOABB, PlaceError, settled
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.step import Result, Step, WrongInput, say
from hw.flow.tool import Tool, run_module

TORCH = Tool("torch", "the Python package torch", at_least="2.6", distribution="torch")


@dataclass(frozen=True)
class Train(Step):
    """`python -m models.train`: splits without leakage, early stopping on validation, deterministic by seed."""

    name = "train"
    makes = (Kind.CHECKPOINT, Kind.DECODING_SET)
    specs = ("tokenizer", "model")
    tools = (TORCH,)
    programs = ("models.train",)
    resumes = True

    recording: str | None = None
    """A file, a folder or `moabb:NAME`; None: the generated default recording."""
    task: str | None = None
    """Which of the recording's tasks to decode; None: its first."""
    seed: int | None = None

    def options(self) -> dict[str, str]:
        # a recording on disk counts by content (`outside`), wherever it lies, and MOABB's by its name
        recorded = self.recording if (self.recording or "").startswith(MOABB) else self.recording is not None
        return {"task": repr(self.task), "seed": repr(self.seed), "recorded": repr(recorded)}

    def outside(self, design: Design) -> tuple[Path, ...]:
        if self.recording is None:
            return ()
        try:
            found = recording_files(self.recording, self.task)
        except PlaceError as error:
            raise WrongInput(str(error)) from error
        closed = [path.name for path in found if not os.access(path, os.R_OK)]
        if closed:
            raise WrongInput(f"{self.recording}: {closed[0]} cannot be read; change its permissions")
        return found

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        arguments: list[str | Path] = [design.name, "--out", folder]
        if self.recording is not None:
            arguments += ["--recording", settled(self.recording)]
        if self.task is not None:
            arguments += ["--task", self.task]
        if self.seed is not None:
            arguments += ["--seed", str(self.seed)]
        made = {Kind.CHECKPOINT: folder / "model.safetensors", Kind.DECODING_SET: folder / "decoding_set.npz"}
        run_module("models.train", arguments, folder, makes=[*made.values(), folder / "metrics.json"], on_line=say)
        return Result(made, read_metrics(folder / "metrics.json"))
