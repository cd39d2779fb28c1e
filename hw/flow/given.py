"""Given: a trained float decoder from a folder, in the place of the training step."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from designs.metric import read_metrics
from designs.model_hash import model_hash
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.step import Result, Step, WrongInput

FILES = {Kind.CHECKPOINT: "model.safetensors", Kind.DECODING_SET: "decoding_set.npz"}
METRICS = "metrics.json"


@dataclass(frozen=True)
class Given(Step):
    """What `python -m models.train` or `python -m models.distill` left in `folder`, taken as it is."""

    name = "train"
    makes = (Kind.CHECKPOINT, Kind.DECODING_SET)
    specs = ("tokenizer", "model")

    folder: str = ""
    seed: int | None = None
    """Of what comes behind; None: each command's own."""

    def options(self) -> dict[str, str]:
        return {"given": "True"}  # its files count by content (`outside`), wherever they lie

    def outside(self, design: Design) -> tuple[Path, ...]:
        found = tuple(Path(self.folder) / name for name in (*FILES.values(), METRICS))
        missing = [path.name for path in found if not path.is_file()]
        if missing:
            raise WrongInput(
                f"--checkpoint {self.folder}: has no {missing[0]}; give a folder that models.train or models.distill wrote"
            )
        return found

    def require(self, design: Design) -> None:
        super().require(design)
        refuse_other(f"--checkpoint {self.folder}", Path(self.folder) / FILES[Kind.CHECKPOINT], design)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        for path in self.outside(design):
            shutil.copyfile(path, folder / path.name)
        return Result({kind: folder / name for kind, name in FILES.items()}, read_metrics(folder / METRICS))


def refuse_other(option: str, path: Path, design: Design) -> None:
    """WrongInput where the safetensors file at `path` cannot be read, or is of a design whose weights are not `design`'s."""
    try:
        with safe_open(path, framework="numpy") as found:
            notes: dict[str, str] = found.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WrongInput(f"{option}: {path.name} is damaged ({str(error).splitlines()[0]}); make it again") from error
    if "model_hash" not in notes:
        raise WrongInput(f"{option}: {path.name} is nothing that models.train or models.distill wrote of a design; give theirs")
    if notes["model_hash"] != model_hash(design):
        raise WrongInput(
            f"{option}: {path.name} is of design {notes.get('design', '?')}, not of {design.name} as it is now; name its "
            f"design, or make it again"
        )
