"""Recording -> trained float decoder: `python -m models.train ind_int4 --out out/ind_int4/train`."""

import os
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet
from designs.layer_table import macs_per_decision, parameters
from designs.metric import Metric, MetricError, write_metrics
from designs.schema import Design, DesignError
from models.checkpoint import CheckpointError, save_checkpoint
from models.datasets.catalogue import recording_for
from models.emphasis import feature_gains, fold_gains, with_gains
from models.fit import FitSettings, fit, predict
from models.ind import Ind
from models.linear_start import start_linear
from models.recipes import named_recipe
from models.recording import RecordingError, RecordingWarning
from models.scores import scores
from models.spatial_filter import fit_spatial_filter
from models.standardise import Standardisation, fit_standardisation
from models.window_tensors import WindowTensors, seen_tokens, stream_tokens, training_session_windows, window_tensors
from models.windows import decoding_set, spread_tokens

CHECKPOINT, DECODING_SET, METRICS = "model.safetensors", "decoding_set.npz", "metrics.json"
STATE, ANEW_STATE = "resume.safetensors", "resume_anew.safetensors"
THREADS_AT_MOST = 2
REFIT_BELOW = 1000
"""Training windows below which every trial counts: validation chooses the number of epochs, then training starts anew for
exactly as many with its cues as well. No later step may take the validation windows for unseen by such a decoder."""


@dataclass(frozen=True)
class Trained:
    """What training gives: the decoder, its standardisation, and its windows by part, standardised."""

    model: Ind
    standardisation: Standardisation
    parts: dict[str, WindowTensors]
    held_out: np.ndarray | None
    """int64 [validation windows], or float32 [validation windows, outputs]: what was decoded on them before any training saw
    them; None where all training did (FitSettings.judged)."""
    best_epoch: int
    """Epochs that validation chose; `model` was trained for that many."""
    anew: bool
    """Whether `model` was trained anew with the validation cues (REFIT_BELOW), so that `held_out` is another model's."""

    @property
    def trained_on(self) -> str:
        """Parts of the decoding set whose windows the model's weights come from."""
        return "train and validation" if self.anew else "train"


def device() -> torch.device:
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bound_threads() -> None:
    """Use the cores this process may use, two at most: small layers do not profit from more."""
    torch.set_num_threads(min(len(os.sched_getaffinity(0)), THREADS_AT_MOST))


def train_ind(
    design: Design,
    found: DecodingSet,
    settings: FitSettings,
    *,
    state_path: Path | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train a decoder of `design` on the training windows of `found`; validation decides when to stop, test is not touched.

    With fewer than REFIT_BELOW training windows the decoder returned has been trained on the validation windows too
    (`Trained.anew`). Quantization, which chooses its epoch on those windows, then fine-tunes towards a teacher that knows them:
    its validation loss is too good, while test stays unseen. The checkpoint's metadata says so as `trained_on`.
    """
    where = device()
    seen = ("train",) if settings.judged else ("train", "validation")
    spatial = fit_spatial_filter(found, design, settings.patterns, seen) if design.tokenizer.spatial else None
    tokens = stream_tokens(found, design, where, spatial)
    plain = {part: window_tensors(found, tokens, part, design) for part in ("train", "validation", "test")}
    standardisation, targets = fit_standardisation(seen_tokens(plain["train"])), fit_targets(plain["train"])
    parts = {part: windows.standardised(standardisation, targets).to(where) for part, windows in plain.items()}
    torch.set_num_threads(1)  # layers this small only wait for each other on several threads
    bar = progress.add_task(f"training {design.name}", total=settings.epochs, loss="") if progress else None

    def on_epoch(epoch: int, train_loss: float, validation_loss: float) -> None:
        if progress and bar is not None:
            progress.update(bar, completed=epoch, loss=f"loss {train_loss:.3f}, validation {validation_loss:.3f}")
            if not progress.console.is_terminal:  # bars move on terminals alone
                progress.console.print(f"epoch {epoch}: loss {train_loss:.3f}, validation {validation_loss:.3f}")

    held_out, epochs, anew = None, settings.epochs, not settings.judged or len(parts["train"]) < REFIT_BELOW
    if settings.judged:
        model, gains = _started(design, parts["train"], settings)
        train, validation = (with_gains(parts[part], gains) for part in ("train", "validation"))
        state = fit(model, train, validation, design, settings, state_path=state_path, on_epoch=on_epoch)
        decoded, epochs = predict(model, validation).cpu(), state.best_epoch
        held_out = decoded.numpy() if design.model.regression else decoded.argmax(dim=1).numpy()
        if progress and bar is not None:
            progress.update(bar, total=state.epoch, completed=state.epoch)
    if anew:
        spread = spread_tokens(design) if settings.spread is None else settings.spread
        every = training_session_windows(found, tokens, design, spread)
        every = every.standardised(standardisation, targets).to(where)
        model, gains = _started(design, every, settings)
        path = state_path.with_name(ANEW_STATE) if state_path else None
        heard = (lambda *_: None) if settings.judged else on_epoch
        fit(model, with_gains(every, gains), None, design, settings, stop_after=epochs, state_path=path, on_epoch=heard)
    fold_gains(model, gains)
    fill_in(model, spatial, targets)
    on_cpu = {part: windows.to(torch.device("cpu")) for part, windows in parts.items()}
    return Trained(model.cpu(), standardisation, on_cpu, held_out, epochs, anew)


def fit_targets(train: WindowTensors) -> Standardisation | None:
    """Mean and deviation of a regressor's targets in training windows; None for labels."""
    if not train.label.dtype.is_floating_point:
        return None
    scale = train.label.std(dim=0, correction=0)
    return Standardisation(train.label.mean(dim=0), torch.where(scale > 0, scale, 1.0))


def _started(design: Design, train: WindowTensors, settings: FitSettings) -> tuple[Ind, Tensor]:
    """(a decoder to train on `train`, the gain of every feature while it trains)."""
    torch.manual_seed(settings.seed)
    model = Ind(design).to(train.tokens.device)
    if settings.start == "linear":
        start_linear(model, train)
    emphasised = settings.start == "random" and not design.model.regression
    gains = feature_gains(train, design) if emphasised else torch.ones(design.tokenizer.features)
    return model, gains


def fill_in(model: Ind, spatial: Tensor | None, targets: Standardisation | None) -> None:
    """What stands before the tokens and behind the readout becomes part of the decoder."""
    if spatial is not None and model.spatial is not None:
        model.spatial.copy_(spatial)
    if targets is not None:
        model.target_centre.copy_(targets.centre)
        model.target_scale.copy_(targets.scale)


def measure(trained: Trained, found: DecodingSet, design: Design, wall_s: float) -> list[Metric]:
    """The metrics of a trained float decoder."""
    wanted = {part: trained.parts[part].label.numpy() for part in ("validation", "test")}
    test = f"float model, {len(wanted['test'])} test windows of {found.source}"
    before = ", as it was before training anew with their cues" if trained.anew else ""
    held = f"float model{before}, {len(wanted['validation'])} validation windows of {found.source}"
    epochs = "epoch with the least validation loss" + (", then anew for as many with its cues" if trained.anew else "")
    if trained.held_out is None:
        epochs = "as set; validation windows trained like the others"
    judged = [] if trained.held_out is None else scores(wanted["validation"], trained.held_out, "validation", held)[:1]
    table = "designs.layer_table"
    return [
        *scores(wanted["test"], _decoded(trained, "test"), "float", test),
        *judged,
        Metric("parameters", parameters(design), "count", "lower", table),
        Metric("macs_per_decision", macs_per_decision(design), "count", "lower", table),
        Metric("train__epochs", trained.best_epoch, "count", "none", epochs),
        Metric("wall_s__train", wall_s, "s", "lower", f"models.train, torch {torch.__version__}, {device().type}"),
    ]


def _decoded(trained: Trained, part: str) -> np.ndarray:
    decoded = predict(trained.model, trained.parts[part]).numpy()
    return decoded if trained.parts[part].label.dtype.is_floating_point else decoded.argmax(axis=1)


def run(
    design: Design, recording: str | None, task: str | None, settings: FitSettings, out: Path, progress: Progress
) -> list[Metric]:
    """Everything the command does: files of `out` are complete or absent, and its metrics are returned."""
    begin = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    step = progress.add_task("recording and windows", total=1, loss="")
    found = decoding_set(recording_for(design, recording, task, seed=0), design)
    found.save(out / DECODING_SET)
    progress.update(step, completed=1, loss=f"{found.source}: {len(found.window_label)} windows")
    trained = train_ind(design, found, settings, state_path=out / STATE, progress=progress)
    notes = {"source": str(found.source), "trained_on": trained.trained_on}
    save_checkpoint(out / CHECKPOINT, design, trained.model, trained.standardisation, **notes)
    metrics = measure(trained, found, design, time.monotonic() - begin)
    write_metrics(out / METRICS, metrics)
    forget(out)
    return metrics


def forget(out: Path) -> None:
    """Take away what an interrupted training would go on from."""
    for name in (STATE, ANEW_STATE):
        (out / name).unlink(missing_ok=True)


def command(
    design: Annotated[str, typer.Argument(help="name of a design, such as ind_int4")],
    out: Annotated[Path, typer.Option(help="folder for model.safetensors, decoding_set.npz and metrics.json")],
    recording: Annotated[
        str | None, typer.Option(help="FILE, FOLDER or moabb:NAME, #TASK behind it; default: generated")
    ] = None,
    task: Annotated[str | None, typer.Option(help="task of a recording that holds several, such as fists_feet")] = None,
    seed: Annotated[int, typer.Option(help="seed of weights, batches and augmentation")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="epochs at most; early stopping may use fewer")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="forget an interrupted training instead of going on from it")] = False,
) -> None:
    """Train the float decoder of DESIGN.

    Examples: python -m models.train ind_tiny --out out/ind_tiny/train; python -m models.train eeg_int4
    --recording S001.npz#fists_feet --seed 3 --out out/eeg_int4/train. After Ctrl-C the same command goes on from the
    last whole epoch.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    warnings.showwarning = lambda message, *_args, **_kw: console.print(f"warning: {message}", highlight=False, soft_wrap=True)
    warnings.simplefilter("always", RecordingWarning)
    bound_threads()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    try:
        if fresh:
            forget(out)
        with Progress(
            *columns, TextColumn("{task.fields[loss]}", markup=False), TimeElapsedColumn(), console=console
        ) as progress:
            found = find_design(design)
            settings = named_recipe(found, seed)
            settings = settings if epochs is None else replace(settings, epochs=epochs)
            metrics = run(found, recording, task, settings, out, progress)
    except (DesignError, RecordingError, CheckpointError, MetricError, OSError) as error:
        console.print(f"models.train: {' '.join(str(error).split())}", style=None, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        kept = "the same command goes on from the last whole epoch" if (out / STATE).exists() else "nothing was trained yet"
        console.print(f"models.train: interrupted; {kept}", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from interrupt
    for metric in metrics:
        print(f"{metric.name:22} {np.round(metric.value, 4):>12} {metric.unit}")


if __name__ == "__main__":
    typer.run(command)
