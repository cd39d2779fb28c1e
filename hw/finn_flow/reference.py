"""FINN's reference graph against the golden model and Brevitas: `python -m hw.finn_flow.reference ind_tiny --qonnx F ...`."""

import contextlib
import sys
import time
import zipfile
import zlib
from pathlib import Path
from typing import Annotated, NoReturn

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from designs.catalogue import find_design
from designs.metric import Metric, write_metrics
from designs.schema import Design, DesignError
from hw.finn_flow import settings
from quant.golden.exactness import Row, compare, first_mismatch, layers_beyond_float32, trace_with_states, write_rows
from quant.golden.parameters import IntegerParameters, ParameterError
from quant.golden.read_qonnx import read_qonnx
from quant.golden.trace import Trace

BATCH = 48
"""Windows that the graph executes at once; bounds memory."""
GRAPH, EXACTNESS, METRICS, LOG, SCRATCH = "finn_reference.onnx", "exactness.json", "metrics.json", "finn.log", "finn"
READOUT, DECISION = "readout", "decision"


class TraceError(ValueError):
    """A trace file that is unreadable or of another design; one line."""


def read_trace(path: Path, design: Design) -> Trace:
    """Brevitas' integers by boundary, [windows, ...]. Raises TraceError for anything else."""
    window: tuple[int, ...] = (design.model.tokens, design.tokenizer.features)
    try:
        with np.load(path, allow_pickle=False) as found:
            trace = {name: found[name] for name in found.files if not name.startswith("test_")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise TraceError(f"{path}: not a readable trace ({str(error)[:80]}); run python -m quant.train_qat again") from error
    tokens = trace.get("tokens")
    if design.model.streaming and tokens is not None and tokens.ndim == 3 and tokens.shape[1] >= design.model.tokens:
        window = (tokens.shape[1], design.tokenizer.features)  # sequences of any length
    if tokens is None or tokens.ndim != 3 or tokens.shape[1:] != window or not len(tokens):
        shape = None if tokens is None else tokens.shape
        raise TraceError(
            f"{path}: its tokens have shape {shape} where {design.name} has windows of {window}; of another design?"
        )
    fmt = design.tokenizer.token
    if not np.issubdtype(tokens.dtype, np.integer) or tokens.min() < fmt.min or tokens.max() > fmt.max:
        raise TraceError(f"{path}: its tokens are no {fmt} values; run python -m quant.train_qat again")
    return trace


def finn_trace(qonnx: Path, tokens: np.ndarray, folder: Path, console: Console) -> Trace:
    """tokens [windows, tokens, features] -> the integers at every boundary that FINN's streamlined graph has, executed by FINN.

    Everything FINN writes stays inside `folder`; the graph is kept as finn_reference.onnx.
    """
    settings.prepare(folder / SCRATCH)
    from hw.finn_flow.convert import convert, set_batch
    from hw.finn_flow.execute import boundaries

    with console.status("FINN: import and streamline"):
        model = convert(qonnx, folder / GRAPH)
    parts = []
    starts = range(0, len(tokens), BATCH)
    for start in track(starts, "FINN: execute", console=console, transient=True):
        batch = tokens[start : start + BATCH]
        parts.append(boundaries(set_batch(model, len(batch)), batch))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return found


def decided(finn: Trace) -> Trace:
    """The same with the argmax that numpy takes of FINN's readout."""
    return finn | {DECISION: np.argmax(finn[READOUT], axis=-1, keepdims=True)}


def check(design: Design, parameters: IntegerParameters, brevitas: Trace, finn: Trace) -> list[Row]:
    """All rows of exactness.json: three pairs at every boundary behind `tokens`, KV states included.

    All three get the same tokens here, so those are no finding: quant.train_qat compares them with the golden tokenizer's, from
    samples. `decision` is the argmax that numpy takes of FINN's readout, and torch of Brevitas'.
    """
    golden = trace_with_states(brevitas["tokens"], parameters)
    golden, brevitas = ({name: trace[name] for name in trace if name != "tokens"} for trace in (golden, brevitas))
    return [
        *compare("brevitas = golden", golden, brevitas),
        *compare("finn = golden", golden, finn),
        *compare("finn = brevitas", brevitas, finn),
    ]


def measure(rows: list[Row], origin: str, wall_s: float) -> list[Metric]:
    """exact__windows, exact__mismatches and the time."""
    return [
        Metric("exact__windows", min(row.windows for row in rows), "count", "higher", origin),
        Metric("exact__mismatches", sum(row.mismatches for row in rows), "count", "lower", origin),
        Metric("wall_s__check", wall_s, "s", "lower", origin),
    ]


def run(design: Design, qonnx: Path, trace: Path, out: Path, windows: int | None, console: Console) -> list[Row]:
    """Everything the command does; returns the rows."""
    begin = time.monotonic()
    if design.model.normaliser != "none":
        raise DesignError(
            f"{design.name}: model.normaliser={design.model.normaliser!r} divides, which FINN's graph of integers cannot; "
            f"use 'none', or stop at the integers"
        )
    parameters = read_qonnx(qonnx, design)
    beyond = layers_beyond_float32(parameters)
    if beyond:
        raise ParameterError(f"{qonnx.name}: sums of {', '.join(beyond)} may leave 32-bit floats, in which FINN computes")
    brevitas = {name: values[:windows] for name, values in read_trace(trace, design).items()}
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOG).open("w") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        finn = finn_trace(qonnx, brevitas["tokens"], out, console)
    rows = check(design, parameters, brevitas, finn if design.model.regression else decided(finn))
    write_rows(rows, out / EXACTNESS)
    boundaries = len({row.boundary for row in rows})
    origin = f"brevitas = golden = FINN's streamlined graph (execute_onnx), {boundaries} boundaries, {trace.name}"
    write_metrics(out / METRICS, measure(rows, origin, time.monotonic() - begin))
    return rows


def command(
    design: Annotated[str, typer.Argument(help="name of a design, such as ind_tiny")],
    qonnx: Annotated[Path, typer.Option(help="the exported graph")],
    trace: Annotated[Path, typer.Option(help="brevitas_trace.npz of the same export")],
    out: Annotated[Path, typer.Option(help="folder for exactness.json, metrics.json and FINN's graph and log")],
    windows: Annotated[int | None, typer.Option(min=1, help="only the first so many windows of the trace")] = None,
) -> None:
    """Execute FINN's reference graph of DESIGN on recorded windows and compare it at every boundary, without tolerance.

    Example: python -m hw.finn_flow.reference ind_tiny --qonnx out/ind_tiny/quantize/ind_tiny.qonnx
    --trace out/ind_tiny/quantize/brevitas_trace.npz --out out/ind_tiny/check. Exit codes: 0 equal, 1 a value differs,
    2 wrong use or input.
    """
    console = Console(file=sys.stderr)  # bound now: FINN's own words on stderr go to the log

    def stop(reason: str, code: int) -> NoReturn:
        console.print(f"hw.finn_flow.reference: {' '.join(reason.split())}", highlight=False, soft_wrap=True, markup=False)
        raise typer.Exit(code)

    try:
        rows = run(find_design(design), qonnx, trace, out, windows, console)
    except (DesignError, ParameterError, TraceError, OSError) as error:
        stop(str(error), 2)
    except ValueError as error:  # a boundary that one side lacks, a graph that FINN does not turn into integers
        stop(f"{design}: {error}", 1)
    except KeyboardInterrupt:
        stop("interrupted; run the same command again", 130)
    line = first_mismatch(rows)
    if line:
        stop(f"{design}: {line}", 1)
    for pair in dict.fromkeys(row.pair for row in rows):
        of_pair = [row for row in rows if row.pair == pair]
        print(f"{pair:20} {of_pair[0].windows} windows, {len(of_pair)} boundaries, {sum(row.values for row in of_pair)} values")


if __name__ == "__main__":
    typer.run(command)
