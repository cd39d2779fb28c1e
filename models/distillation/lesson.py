"""What a teacher says about a student's training windows, on disk: all that quantization needs of the teacher.

Quantization-aware training goes on with the same windows, and needs no more of a teacher than its decisions on them and where
it would have the student's embedding (P^T z of TSKD); neither the teacher's weights nor its input are needed again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from designs.decoding_set import DecodingSet
from designs.model_hash import model_hash
from designs.schema import Design
from models.checkpoint import CheckpointError, load_tensors, save_tensors

FORMAT = "lesson 3"


@dataclass(frozen=True)
class Lesson:
    """outputs float32 [windows, outputs]: the teacher's logits, or standardised values; aligned float32 [windows, aligned_dim]:
    where the student's embedding should be, of width 0 where the method does not say, a column 0 where its projection asks
    nothing; weight: of the distance from there, the method's. Windows: those that train, in the order of the decoding set."""

    outputs: Tensor
    aligned: Tensor
    weight: float = 1.0

    def rows(self) -> Tensor:
        """[windows, outputs + aligned_dim]: both beside each other."""
        return torch.cat([self.outputs, self.aligned], dim=1)

    def parted(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of `rows`, or mixtures of them -> (outputs, aligned)."""
        return rows[:, : self.outputs.shape[1]], rows[:, self.outputs.shape[1] :]

    def save(self, path: Path, design: Design, found: DecodingSet, checkpoint: Path, **notes: str) -> None:
        """safetensors; checkpoint: the file of the decoder that was taught; `notes` go into the metadata."""
        marks = {"format": FORMAT, "design": design.name, "model_hash": model_hash(design), "source": str(found.source)}
        marks["checkpoint"] = _sha256(checkpoint)
        tensors = {"outputs": self.outputs, "aligned": self.aligned, "weight": torch.tensor(self.weight)}
        tensors |= {"window_stream": _ends(found)[0], "window_token": _ends(found)[1]}
        save_tensors(path, {name: value.detach().contiguous() for name, value in tensors.items()}, marks | notes)


def load_lesson(path: Path, design: Design, found: DecodingSet, checkpoint: Path | None = None) -> Lesson:
    """The lesson for `design`, the training windows of `found` and, where it is given, the decoder in the file `checkpoint`.
    CheckpointError, one line, for anything else."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such teacher's file; models.distill writes one, lesson.safetensors")
    tensors, metadata = load_tensors(path, "distil again")
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: is not what models.distill writes about a teacher; give its lesson.safetensors")
    if metadata.get("model_hash") != model_hash(design):
        raise CheckpointError(f"{path}: is for design {metadata.get('design')}, not {design.name} as it is now; distil again")
    if checkpoint is not None and metadata.get("checkpoint") != _sha256(checkpoint):
        raise CheckpointError(
            f"{path}: belongs to another decoder than {checkpoint}; give the lesson.safetensors that lies beside that one"
        )
    try:
        lesson = Lesson(tensors["outputs"], tensors["aligned"], float(tensors["weight"]))
        ends = (tensors["window_stream"], tensors["window_token"])
    except KeyError as error:
        raise CheckpointError(f"{path}: lacks {error.args[0]}; distil again") from error
    if not all(torch.equal(here, there) for here, there in zip(ends, _ends(found), strict=True)):
        raise CheckpointError(f"{path}: speaks of other windows than the decoding set's; give the one that lies beside it")
    if lesson.outputs.shape[1] != design.model.outputs or not bool(torch.isfinite(lesson.rows()).all()):
        raise CheckpointError(f"{path}: does not fit the outputs of {design.name}; distil again")
    return lesson


def _sha256(checkpoint: Path) -> str:
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def _ends(found: DecodingSet) -> tuple[Tensor, Tensor]:
    """Streams and last tokens of the training windows, int64 [windows] each."""
    train = found.windows_of("train")
    return torch.from_numpy(found.window_stream[train]), torch.from_numpy(found.window_token[train])
