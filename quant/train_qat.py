"""Float decoder -> integers: `python -m quant.train_qat ind_int4 --train out/ind_int4/train --out out/ind_int4/quantize`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet, DecodingSetError
from designs.metric import Metric, MetricError, write_metrics
from designs.schema import Design, DesignError
from models.checkpoint import CheckpointError, load_checkpoint, save_tensors
from models.metrics import accuracy, macro_f1, wilson_interval
from models.train import CHECKPOINT, DECODING_SET, METRICS
from quant.calibrate import calibrate, from_float
from quant.check_export import check_export, golden_tokens
from quant.export_qonnx import export_qonnx
from quant.fine_tune import QatSettings, fine_tune, logits
from quant.golden.exactness import first_mismatch, layers_beyond_float32, write_rows
from quant.golden.parameters import ParameterError
from quant.golden.read_qonnx import read_qonnx, spec_hash
from quant.golden.trace import Trace
from quant.integer_windows import IntegerWindows, integer_windows
from quant.quant_ind import QuantInd

CALIBRATION_WINDOWS = 256
QAT_CHECKPOINT, TRACE, EXACTNESS = "qat.safetensors", "brevitas_trace.npz", "exactness.json"


class ExportMismatch(Exception):
    """The exported graph does not give Brevitas' integers; the message names the first one."""


def quantize(
    design: Design, train: Path, settings: QatSettings, progress: Progress
) -> tuple[QuantInd, IntegerWindows, DecodingSet, list[Metric]]:
    """Tokenize, calibrate and fine-tune; reads `train`, writes nothing."""
    ind, _ = load_checkpoint(train / CHECKPOINT, design)
    found = DecodingSet.load(train / DECODING_SET)
    _check_fits(found, design)
    bar = progress.add_task("integer tokenizer", total=len(found.streams), note="")
    embed = ind.embed.weight.detach().numpy().astype(np.float64)
    windows = integer_windows(found, design, embed, lambda: progress.advance(bar))
    parts, standardisation = windows.parts, windows.standardisation
    model = from_float(ind, standardisation.centre, standardisation.scale, design)
    chosen = torch.linspace(0, len(parts["train"]) - 1, min(CALIBRATION_WINDOWS, len(parts["train"]))).long()
    calibrate(model, parts["train"].batch(chosen)[0])
    test = parts["test"]
    with torch.no_grad():
        tokenized = ind(standardisation(test.all_tokens())).argmax(dim=1)
    calibrated = logits(model, test).argmax(dim=1)
    note = f"{len(test)} test windows of {found.source}"
    metrics = [
        Metric(
            "accuracy__float_on_integer_tokens", _accuracy(test.label, tokenized), "share", "higher", f"float model, {note}"
        ),
        Metric("accuracy__calibrated", _accuracy(test.label, calibrated), "share", "higher", f"no fine-tuning, {note}"),
    ]
    bar = progress.add_task(f"fine-tuning {design.name}", total=settings.epochs, note="")

    def on_epoch(epoch: int, loss: float) -> None:
        progress.update(bar, completed=epoch, note=f"divergence {loss:.3f}")
        if not progress.console.is_terminal:  # bars move on terminals alone
            progress.console.print(f"epoch {epoch}: divergence from float on validation {loss:.4f}")

    state = fine_tune(model, ind, parts["train"], parts["validation"], standardisation, settings, on_epoch)
    progress.update(bar, completed=settings.epochs)
    metrics.append(Metric("qat__best_epoch", state.best_epoch, "count", "none", "epoch closest to float on validation"))
    return model, windows, found, metrics


def export_and_check(model: QuantInd, windows: IntegerWindows, found: DecodingSet, out: Path) -> list[Metric]:
    """Write graph, trace and exactness of the compared windows; ExportMismatch names the first differing integer."""
    design, test = model.design, windows.parts["test"]
    path = out / f"{design.name}.qonnx"
    export_qonnx(model, windows.token_shift, path)
    parameters = read_qonnx(path, design)
    beyond = layers_beyond_float32(parameters)
    if beyond:
        raise ExportMismatch(f"{design.name}: sums of {', '.join(beyond)} may leave 32-bit floats; use narrower weights")
    rows, traced, golden = check_export(model, parameters, windows.compared, golden_tokens(found, parameters))
    write_rows(rows, out / EXACTNESS)
    line = first_mismatch(rows)
    if line:
        raise ExportMismatch(f"{design.name}: {line}")
    save_trace(traced, test.label.numpy(), found.windows_of("test"), out / TRACE)
    label = test.label.numpy()
    note = f"{len(label)} test windows of {found.source}"
    decided = golden["decision"][: len(label), 0]
    right = accuracy(label, decided)
    low, high = wilson_interval(right, len(label))
    integer, interval = f"integer golden model, {note}", f"Wilson's 95 % interval, n = {len(label)}, {note}"
    return [
        Metric("accuracy__qat", accuracy(label, traced["decision"][: len(label), 0]), "share", "higher", f"Brevitas, {note}"),
        Metric("accuracy__integer", right, "share", "higher", integer),
        Metric("accuracy__integer_ci95_low", low, "share", "higher", interval),
        Metric("accuracy__integer_ci95_high", high, "share", "none", interval),
        Metric("macro_f1__integer", macro_f1(label, decided), "share", "higher", integer),
    ]


def save_trace(trace: Trace, label: np.ndarray, test_window: np.ndarray, path: Path) -> None:
    """Brevitas' integers by boundary in their narrowest type; complete or absent.

    label and test_window (index into the decoding set) are of the first windows; windows behind them have no label.
    """
    narrow = {name: values.astype(_narrowest(values)) for name, values in trace.items()}
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **(narrow | {"test_label": label, "test_window": test_window}))  # type: ignore[arg-type]
    partial.replace(path)


def _narrowest(values: np.ndarray) -> np.dtype:
    kinds = (np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64)
    return np.dtype(next(kind for kind in kinds if np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max))


def _accuracy(label: torch.Tensor, decided: torch.Tensor) -> float:
    return accuracy(label.numpy(), decided.numpy())


def _check_fits(found: DecodingSet, design: Design) -> None:
    spec = design.tokenizer
    if found.samples.shape[1] != spec.channels or float(found.sample_hz) != spec.sample_hz:
        raise DecodingSetError(
            f"{DECODING_SET}: {found.samples.shape[1]} channels at {float(found.sample_hz):g} Hz where {design.name} has "
            f"{spec.channels} at {spec.sample_hz}; train {design.name} again"
        )
    if found.samples.min() < spec.sample.min or found.samples.max() > spec.sample.max:
        raise DecodingSetError(f"{DECODING_SET}: holds samples beyond {spec.sample}; train {design.name} again")
    for part in ("train", "validation", "test"):
        if not len(found.windows_of(part)):
            raise DecodingSetError(f"{DECODING_SET}: has no {part} windows; use a longer recording")


def run(design: Design, train: Path, out: Path, settings: QatSettings, progress: Progress) -> list[Metric]:
    """Everything the command does: files of `out` are complete or absent, and its metrics are returned."""
    begin = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    model, windows, found, metrics = quantize(design, train, settings, progress)
    tensors = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    save_tensors(
        out / QAT_CHECKPOINT, tensors, {"format": "ind qat checkpoint 1", "design": design.name, "spec_hash": spec_hash(design)}
    )
    metrics = export_and_check(model, windows, found, out) + metrics
    metrics.append(
        Metric("wall_s__quantize", time.monotonic() - begin, "s", "lower", f"quant.train_qat, torch {torch.__version__}")
    )
    write_metrics(out / METRICS, metrics)
    return metrics


def command(
    design: Annotated[str, typer.Argument(help="name of a design, such as ind_int4")],
    train: Annotated[Path, typer.Option(help="folder with model.safetensors and decoding_set.npz")],
    out: Annotated[Path, typer.Option(help="folder for qat.safetensors, DESIGN.qonnx, brevitas_trace.npz, metrics.json")],
    seed: Annotated[int, typer.Option(help="seed of batches and augmentation")] = 0,
    epochs: Annotated[int | None, typer.Option(min=0, help="epochs at most; 0: calibrate only")] = None,
) -> None:
    """Quantize the trained decoder of DESIGN: calibrate, fine-tune, export to QONNX, check the export on all test windows.

    Examples: python -m quant.train_qat ind_tiny --train out/ind_tiny/train --out out/ind_tiny/quantize; with --epochs 0 the
    calibrated decoder is exported as it is. Exit codes: 0 good, 1 the export is not exact, 2 wrong use or input.
    """
    console = Console(stderr=True)
    torch.set_num_threads(1)  # layers this small gain nothing from more, and waiting threads cost
    settings = QatSettings(seed=seed) if epochs is None else QatSettings(seed=seed, epochs=epochs)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))

    def stop(reason: str, code: int) -> Callable[[], None]:
        console.print(f"quant.train_qat: {' '.join(reason.split())}", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(code)

    try:
        with Progress(*columns, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), console=console) as progress:
            metrics = run(find_design(design), train, out, settings, progress)
    except (DesignError, DecodingSetError, CheckpointError, ParameterError, MetricError, OSError) as error:
        stop(str(error), 2)
    except ExportMismatch as error:
        stop(str(error), 1)
    except KeyboardInterrupt:
        stop("interrupted; nothing half-written was left, run the same command again", 130)
    for metric in metrics:
        print(f"{metric.name:34} {np.round(metric.value, 4):>10} {metric.unit}")


if __name__ == "__main__":
    typer.run(command)
