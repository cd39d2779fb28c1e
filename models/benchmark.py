"""Models against recordings: `python -m models.benchmark --recording S001.npz#left_right --models csp,eegnet`."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from designs.decoding_set import DecodingSetError
from designs.schema import DesignError
from models.baselines.model import BaselineError
from models.benchmark_cells import Cell, Result, folds_of, measured, read_result, write_result
from models.benchmark_models import NAMES, BenchmarkError, check_model, evaluate, is_random, module_of, rows_of
from models.benchmark_table import markdown, table_rows, write_table
from models.datasets.sources import read_sources, row_name
from models.fold_digest import fold_digest
from models.recording import RecordingError
from models.side_by_side import processes
from models.splits import LEAVE_ONE_SUBJECT_OUT, read_protocol


def plan(recordings: list[str], models: list[str], protocol: str, seeds: int) -> list[Cell]:
    """Every cell, those of one recording together. Raises RecordingError, BaselineError, BenchmarkError before any work."""
    if not models:
        raise BenchmarkError(f"no model is named; use {', '.join(NAMES)}")
    models = list(dict.fromkeys(row for name in models for row in rows_of(name)))
    chosen = str(read_protocol(protocol))
    named = [(row_name(text), read_sources(text)) for text in recordings]
    if chosen == LEAVE_ONE_SUBJECT_OUT:
        named = [(" + ".join(name for name, _ in named), [source for _, sources in named for source in sources])]
    cells = []
    for name_of_row, sources in named:
        for subjects in [tuple(sources)] if chosen == LEAVE_ONE_SUBJECT_OUT else [(source,) for source in sources]:
            found = folds_of(subjects, chosen)
            for name in models:
                check_model(name, found[0])
            cells += [
                Cell(name_of_row, subjects, chosen, fold, content, name, module_of(name), is_random(name), seed)
                for fold, content in enumerate(map(fold_digest, found))
                for seed in range(seeds)
                for name in models
            ]
    return cells


def compute(cell: Cell) -> Result:
    """One cell, in this process, on one thread. Raises RecordingError, BaselineError."""
    torch.set_num_threads(1)
    fold = folds_of(cell.subjects, cell.protocol)[cell.fold]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measured(fold, evaluate(fold, cell.model, cell.seed))


def _compute_and_keep(folder: Path, cell: Cell) -> Result:
    result = compute(cell)
    write_result(folder, cell, result)
    return result


def results(cells: list[Cell], folder: Path, jobs: int) -> Iterator[tuple[Cell, Result]]:
    """Every cell's result as it comes: kept ones first, then computed ones, each kept before it is given."""
    missing: dict[str, list[Cell]] = {}
    for cell in cells:
        kept = read_result(folder, cell)
        if kept is None:
            missing.setdefault(cell.key, []).append(cell)
        else:
            yield cell, kept
    if jobs == 1 or len(missing) < 2:
        for same in missing.values():
            result = _compute_and_keep(folder, same[0])
            yield from ((cell, result) for cell in same)
        return
    yield from _in_processes(missing, folder, jobs)


def _in_processes(missing: dict[str, list[Cell]], folder: Path, jobs: int) -> Iterator[tuple[Cell, Result]]:
    """What is missing, by key, computed side by side."""
    with processes(min(jobs, len(missing)), BenchmarkError) as pool:
        running = {pool.submit(_compute_and_keep, folder, same[0]): same for same in missing.values()}
        for done in as_completed(running):
            for cell in running[done]:
                yield cell, done.result()


def run(cells: list[Cell], folder: Path, jobs: int, progress: Progress) -> list[tuple[Cell, Result]]:
    """All results in the order of `cells`."""
    bar, found = progress.add_task("benchmark", total=len(cells)), {}
    for cell, result in results(cells, folder, jobs):
        found[cell] = result
        progress.update(bar, advance=1, description=f"{cell.model}, {result.source}, seed {cell.seed}: {result.value:.3f}")
        if not progress.console.is_terminal:  # bars move on terminals alone
            progress.console.print(
                f"{len(found)}/{len(cells)} {cell.model}, {result.source}, seed {cell.seed}: {result.value:.3f}"
            )
    return [(cell, found[cell]) for cell in cells]


def command(
    recording: Annotated[list[str], typer.Option(help="FILE, FOLDER or moabb:NAME; #TASK,TASK or #all behind it; repeatable")],
    models: Annotated[
        str, typer.Option(help="names, separated by commas; an unknown one lists all; ind_q: the quantizers, or 'ind_q:own:*'")
    ],
    protocol: Annotated[
        str, typer.Option(help="given, within-session, session-transfer, few-shot:N or leave-one-subject-out")
    ] = "given",
    seeds: Annotated[int, typer.Option(min=1, help="seeds 0 to N-1")] = 3,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one per core")] = None,
    out: Annotated[Path, typer.Option(help="folder for the table and for every cell's result")] = Path("out/benchmark"),
) -> None:
    """Train and test MODELS on every fold of every recording under every seed, and write the table.

    Examples: python -m models.benchmark --recording dev_subjects1-6.npz#all --models log_band_power,csp,eegnet --seeds 3;
    python -m models.benchmark --recording StevensonV2.npz --models ridge,kalman,gru; python -m models.benchmark --recording
    moabb:BNCI2014_001#1,2 --models csp --protocol few-shot:5. After Ctrl-C the same command goes on where it stopped.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with console.status("reading recordings"):
            cells = plan(recording, [name for name in models.split(",") if name], protocol, seeds)
        out.mkdir(parents=True, exist_ok=True)
        with Progress(*columns, console=console) as progress:
            rows = table_rows(run(cells, out, jobs or len(os.sched_getaffinity(0)), progress))
        files = write_table(rows, out)
    except (RecordingError, BaselineError, BenchmarkError, DesignError, DecodingSetError, OSError) as error:
        console.print(f"models.benchmark: {' '.join(str(error).split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        console.print(
            "models.benchmark: interrupted; the same command goes on where it stopped", highlight=False, soft_wrap=True
        )
        raise typer.Exit(130) from interrupt
    print(markdown(rows), end="")
    console.print(f"written: {', '.join(map(str, files))}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(command)
