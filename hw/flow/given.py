"""Given: a trained float decoder from a folder, in the place of the training step."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from designs.metric import read_metrics
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

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        for path in self.outside(design):
            shutil.copyfile(path, folder / path.name)
        return Result({kind: folder / name for kind, name in FILES.items()}, read_metrics(folder / METRICS))
