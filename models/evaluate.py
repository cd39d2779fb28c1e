"""A trained float decoder on the windows of a decoding set: `python -m models.evaluate ind_int4 --train out/ind_int4/train`."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet, DecodingSetError
from designs.schema import Design, DesignError
from models.checkpoint import CheckpointError, load_checkpoint
from models.fit import decide, predict
from models.metrics import accuracy, correlation, macro_f1, r2
from models.train import CHECKPOINT, DECODING_SET, bound_threads
from models.window_tensors import stream_tokens, window_tensors


def evaluate(design: Design, checkpoint: Path, found: DecodingSet, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(label, decided), int64 [windows] each, of one part of `found`, or (target, decoded), float32 [windows, outputs] each.

    Raises CheckpointError, DecodingSetError.
    """
    model, standardisation = load_checkpoint(checkpoint, design)
    channels = found.samples.shape[1]
    if channels != design.tokenizer.channels or float(found.sample_hz) != design.tokenizer.sample_hz:
        raise DecodingSetError(
            f"decoding set of {found.source}: {channels} channels at {float(found.sample_hz):g} Hz where {design.name} takes "
            f"{design.tokenizer.channels} at {design.tokenizer.sample_hz} Hz; prepare it for {design.name}"
        )
    windows = window_tensors(found, stream_tokens(found, design, spatial=model.spatial), part, design).standardised(
        standardisation
    )
    if design.model.regression:
        decoded = predict(model, windows) * model.target_scale + model.target_centre
        return windows.label.numpy(), decoded.numpy()
    return windows.label.numpy(), decide(model, windows).numpy()


def command(
    design: Annotated[str, typer.Argument(help="name of a design, such as ind_int4")],
    train: Annotated[Path, typer.Option(help="folder that models.train wrote")],
    part: Annotated[str, typer.Option(help="train, validation or test")] = "test",
) -> None:
    """Print accuracy, macro-F1 and the confusion counts of DESIGN's float decoder, or R2 and correlation of its values.

    Example: python -m models.evaluate ind_tiny --train out/ind_tiny/train --part validation
    """
    bound_threads()
    try:
        if part not in ("train", "validation", "test"):
            raise DecodingSetError(f"part {part!r} is unknown; use train, validation or test")
        found = DecodingSet.load(train / DECODING_SET)
        label, decided = evaluate(find_design(design), train / CHECKPOINT, found, part)
    except (DesignError, CheckpointError, DecodingSetError) as error:
        Console(stderr=True, emoji=False).print(f"models.evaluate: {error}", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(2) from error
    if found.regression:
        print(f"{len(label)} {part} windows: R2 {r2(label, decided):.4f}, correlation {correlation(label, decided):.4f}")
        return
    print(f"{len(label)} {part} windows: accuracy {accuracy(label, decided):.4f}, macro-F1 {macro_f1(label, decided):.4f}")
    for i, name in enumerate(found.label_names):
        counts = np.bincount(decided[label == i], minlength=len(found.label_names))
        print(f"  {name:12} decided as {' '.join(f'{count:4}' for count in counts)}")


if __name__ == "__main__":
    typer.run(command)
