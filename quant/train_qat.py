"""Float decoder -> integers: `python -m quant.train_qat ind_int4 --train out/ind_int4/train --out out/ind_int4/quantize`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet, DecodingSetError
from designs.metric import Metric, MetricError, write_metrics
from designs.schema import Design, DesignError
from models.checkpoint import CheckpointError, load_checkpoint, save_tensors
from models.distillation.lesson import load_lesson
from models.ind import Ind
from models.metrics import wilson_interval
from models.scores import scores
from models.train import CHECKPOINT, DECODING_SET, METRICS
from models.window_tensors import WindowTensors
from quant.check_export import PAIR, check_export, golden_tokens
from quant.export_qonnx import FrontEnd, export_qonnx
from quant.fine_tune import QatSettings, fine_tune, logits
from quant.golden.exactness import compare, first_mismatch, layers_beyond_float32, write_rows
from quant.golden.parameters import IntegerParameters, ParameterError
from quant.golden.read_qonnx import read_qonnx, spec_hash
from quant.golden.regression import decoded_values
from quant.golden.trace import Trace
from quant.integer_windows import IntegerWindows, integer_windows
from quant.quant_ind import QuantInd
from quant.quantized import calibrated, float_embedding, float_filter, front_end
from quant.running_on import at_windows, brevitas_readouts, golden_readouts

WINDOWS_AT_ONCE = 512
QAT_CHECKPOINT, TRACE, EXACTNESS = "qat.safetensors", "brevitas_trace.npz", "exactness.json"


@dataclass(frozen=True)
class Quantized:
    """The fine-tuned decoder, what stands around its graph, the windows it was judged on, and the metrics so far."""

    model: QuantInd
    front: FrontEnd
    windows: IntegerWindows
    found: DecodingSet
    metrics: list[Metric]


class ExportMismatch(Exception):
    """The exported graph does not give Brevitas' integers; the message names the first one."""


def quantize(design: Design, train: Path, settings: QatSettings, progress: Progress, teacher: Path | None = None) -> Quantized:
    """Tokenize, calibrate and fine-tune; reads `train` and what the file `teacher` says about its windows, writes nothing."""
    ind, _ = load_checkpoint(train / CHECKPOINT, design)
    found = DecodingSet.load(train / DECODING_SET)
    _check_fits(found, design)
    lesson = None if teacher is None else load_lesson(teacher, design, found, train / CHECKPOINT)
    bar = progress.add_task("integer tokenizer", total=len(found.streams), note="")
    windows = integer_windows(found, design, float_embedding(ind), lambda: progress.advance(bar), float_filter(ind))
    parts, standardisation = windows.parts, windows.standardisation
    model, test = calibrated(ind, windows, design), parts["test"]
    with torch.no_grad():
        tokenized = torch.cat([ind(standardisation(part)) for part in test.all_tokens().split(WINDOWS_AT_ONCE)])
    note = f"{len(test)} test windows of {found.source}"
    metrics = [
        _judged(test, _decoded(tokenized, ind), "float_on_integer_tokens", f"float model, {note}"),
        _judged(test, _decoded(logits(model, test), ind), "calibrated", f"no fine-tuning, {note}"),
    ]
    bar = progress.add_task(f"fine-tuning {design.name}", total=settings.epochs, note="")
    measure = f"{'squared distance' if ind.regression else 'divergence'} from float on validation"
    measure += "" if lesson is None else ", and from the lesson"

    def on_epoch(epoch: int, loss: float) -> None:
        progress.update(bar, completed=epoch, note=f"{measure} {loss:.3f}")
        if not progress.console.is_terminal:  # bars move on terminals alone
            progress.console.print(f"epoch {epoch}: {measure} {loss:.4f}")

    state = fine_tune(model, ind, parts["train"], parts["validation"], standardisation, settings, on_epoch, lesson)
    progress.update(bar, completed=settings.epochs)
    metrics.append(Metric("qat__best_epoch", state.best_epoch, "count", "none", f"epoch of the least {measure}"))
    return Quantized(model, front_end(ind, windows), windows, found, metrics)


def _decoded(outputs: Tensor, ind: Ind) -> np.ndarray:
    """Outputs of the float or the quantized decoder -> classes, or values in the units of the targets."""
    if ind.regression:
        return (outputs * ind.target_scale + ind.target_centre).numpy()
    return outputs.argmax(dim=1).numpy()


def _judged(test: WindowTensors, decoded: np.ndarray, which: str, origin: str) -> Metric:
    return scores(test.label.numpy(), decoded, which, origin)[0]


def export_and_check(quantized: Quantized, out: Path) -> list[Metric]:
    """Write graph, trace and exactness of the compared windows; ExportMismatch names the first differing integer."""
    model, windows, found = quantized.model, quantized.windows, quantized.found
    design, wanted = model.design, windows.parts["test"].label.numpy()
    path = out / f"{design.name}.qonnx"
    export_qonnx(model, quantized.front, path)
    parameters = read_qonnx(path, design)
    beyond = layers_beyond_float32(parameters)
    if beyond:
        raise ExportMismatch(f"{design.name}: sums of {', '.join(beyond)} may leave 32-bit floats; use narrower weights")
    rows, traced, golden = check_export(model, parameters, windows.compared, golden_tokens(found, parameters))
    write_rows(rows, out / EXACTNESS)
    line = first_mismatch(rows)
    if line:
        raise ExportMismatch(f"{design.name}: {line}")
    pair = _running_on(quantized, parameters) if design.model.streaming else (traced, golden)
    by_brevitas, by_integers = (_decisions(trace, parameters)[: len(wanted)] for trace in pair)
    save_trace(traced, wanted, by_integers, found.windows_of("test"), out / TRACE)
    note = f"{len(wanted)} test windows of {found.source}"
    note += ", states running on since the stream's reset" if design.model.streaming else ""
    measured = scores(wanted, by_integers, "integer", f"integer golden model, {note}")
    return [scores(wanted, by_brevitas, "qat", f"Brevitas, {note}")[0], *measured, *_interval(measured[0], len(wanted), note)]


def _running_on(quantized: Quantized, parameters: IntegerParameters) -> tuple[Trace, Trace]:
    """What Brevitas and the golden model read out at the labelled test windows, the states having run on since each stream's
    reset; ExportMismatch where they differ at any token of the test streams."""
    streams = quantized.windows.test_streams
    by_brevitas, by_integers = brevitas_readouts(streams, quantized.model), golden_readouts(streams, parameters)
    for number in streams:
        line = first_mismatch(compare(f"{PAIR}, stream {number} from reset", by_integers[number], by_brevitas[number]))
        if line:
            raise ExportMismatch(f"{parameters.design.name}: {line}")
    return at_windows(by_brevitas, quantized.found), at_windows(by_integers, quantized.found)


def _decisions(trace: Trace, parameters: IntegerParameters) -> np.ndarray:
    """[windows] classes, or [windows, outputs] values in the units of the targets."""
    if parameters.design.model.regression:
        return decoded_values(trace["readout"], parameters)
    return trace["decision"][:, 0]


def _interval(right: Metric, windows: int, note: str) -> list[Metric]:
    """Of a share of independent windows; windows of values overlap, and have none."""
    if not right.name.startswith("accuracy"):
        return []
    low, high = wilson_interval(right.value, windows)
    origin = f"Wilson's 95 % interval, n = {windows}, {note}"
    return [
        Metric(f"{right.name}_ci95_low", low, "share", "higher", origin),
        Metric(f"{right.name}_ci95_high", high, "share", "none", origin),
    ]


def save_trace(trace: Trace, wanted: np.ndarray, decoded: np.ndarray, test_window: np.ndarray, path: Path) -> None:
    """Brevitas' integers by boundary in their narrowest type; complete or absent.

    wanted, decoded (classes, or values in the units of the targets) and test_window (index into the decoding set) are of the
    first windows; windows behind them have no label.
    """
    narrow = {name: values.astype(_narrowest(values)) for name, values in trace.items()}
    tested = {"test_label": wanted, "test_decoded": decoded, "test_window": test_window}
    partial = path.with_suffix(".partial.npz")
    np.savez_compressed(partial, **(narrow | tested))  # type: ignore[arg-type]
    partial.replace(path)


def _narrowest(values: np.ndarray) -> np.dtype:
    kinds = (np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64)
    return np.dtype(next(kind for kind in kinds if np.iinfo(kind).min <= values.min() and values.max() <= np.iinfo(kind).max))


def _check_fits(found: DecodingSet, design: Design) -> None:
    spec = design.tokenizer
    if found.samples.shape[1] != spec.channels or float(found.sample_hz) != spec.sample_hz:
        raise DecodingSetError(
            f"{DECODING_SET}: {found.samples.shape[1]} channels at {float(found.sample_hz):g} Hz where {design.name} has "
            f"{spec.channels} at {spec.sample_hz}; train {design.name} again"
        )
    if found.samples.min() < spec.input.min or found.samples.max() > spec.input.max:
        raise DecodingSetError(f"{DECODING_SET}: holds samples beyond {spec.input}; train {design.name} again")
    if found.regression != design.model.regression:
        holds = "targets" if found.regression else "labels"
        raise DecodingSetError(f"{DECODING_SET}: holds {holds}, not what {design.name} decodes; train {design.name} again")
    for part in ("train", "validation", "test"):
        if not len(found.windows_of(part)):
            raise DecodingSetError(f"{DECODING_SET}: has no {part} windows; use a longer recording")


def run(
    design: Design, train: Path, out: Path, settings: QatSettings, progress: Progress, teacher: Path | None = None
) -> list[Metric]:
    """Everything the command does: files of `out` are complete or absent, and its metrics are returned."""
    begin = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    quantized = quantize(design, train, settings, progress, teacher)
    tensors = {name: value.detach().contiguous() for name, value in quantized.model.state_dict().items()}
    save_tensors(
        out / QAT_CHECKPOINT, tensors, {"format": "ind qat checkpoint 1", "design": design.name, "spec_hash": spec_hash(design)}
    )
    metrics = export_and_check(quantized, out) + quantized.metrics
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
    teacher: Annotated[
        Path | None, typer.Option(help="lesson.safetensors that models.distill wrote: its teacher stays in the loss")
    ] = None,
) -> None:
    """Quantize the trained decoder of DESIGN: calibrate, fine-tune, export to QONNX, check the export on all test windows.

    Examples: python -m quant.train_qat ind_tiny --train out/ind_tiny/train --out out/ind_tiny/quantize; with --epochs 0 the
    calibrated decoder is exported as it is; python -m quant.train_qat eeg_int4 --train out/taught --teacher
    out/taught/lesson.safetensors --out out/taught/quantize. Exit codes: 0 good, 1 the export is not exact, 2 wrong use or
    input.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    torch.set_num_threads(1)  # layers this small gain nothing from more, and waiting threads cost
    settings = QatSettings(seed=seed) if epochs is None else QatSettings(seed=seed, epochs=epochs)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))

    def stop(reason: str, code: int) -> Callable[[], None]:
        console.print(f"quant.train_qat: {' '.join(reason.split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(code)

    try:
        with Progress(*columns, TextColumn("{task.fields[note]}"), TimeElapsedColumn(), console=console) as progress:
            metrics = run(find_design(design), train, out, settings, progress, teacher)
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
