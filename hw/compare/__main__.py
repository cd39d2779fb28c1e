"""`python -m hw.compare`: build every row, judge the bounds, and put everything side by side."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from designs.metric import Metric
from designs.schema import DesignError
from hw.build import WRONG_INPUT
from hw.compare.bounds import Verdict, judge
from hw.compare.document import DocumentError, write_tables
from hw.compare.published import PublishedError, read_published
from hw.compare.rows import FAILED, GOOD, INTERRUPTED, WRONG, Row, build, chosen_rows, measure_floats
from hw.compare.tables import (
    Found,
    bounds_table,
    designs_table,
    floats_table,
    floor_table,
    published_table,
    references_table,
)
from hw.flow.display import Display
from hw.flow.step import CheckFailed
from hw.flow.tool import REPOSITORY, ToolError, WrongInput
from hw.report.table import Table
from hw.targets import ihp_sg13g2
from hw.targets.choose import find_process
from hw.targets.process import Process

DOCUMENT = REPOSITORY / "docs" / "comparison.md"


def compared(
    rows: Sequence[Row], eeg_recording: Path | None, display: Display
) -> tuple[dict[Row, tuple[Metric, ...]], dict[Row, tuple[Metric, ...]], list[str]]:
    """(metrics by row, those of binary32 by row, what failed). A build that was used wrongly ends with SystemExit."""
    found, floats, failures = {}, {}, []
    for number, row in enumerate(rows, start=1):
        display.line(f"{number} of {len(rows)}: python -m hw.build {row.name}", "bold")
        code, metrics = build(row, eeg_recording)
        if code == WRONG:
            raise typer.Exit(WRONG)
        if code != GOOD:
            failures.append(f"{row.name}: the build's checks failed (exit code {code})")
        if metrics:
            found[row] = metrics
        if metrics and row.floats:
            try:
                floats[row] = measure_floats(row, display)
            except (CheckFailed, ToolError) as error:
                failures.append(f"{row.name}: {error}")
    return found, floats, failures


def the_process(for_document: bool) -> Process:
    """The process of the named designs. WrongInput where another stands in for it and the document is to be written."""
    process = find_process(ihp_sg13g2.NAME)
    if for_document and process.name != ihp_sg13g2.NAME:
        raise WrongInput(
            f"--write: {process.note}; the document is of {ihp_sg13g2.NAME}: leave out --write, or install its PDK"
        )
    return process


def tables_of(found: Found, floats: Found, verdicts: Sequence[Verdict], process: Process) -> dict[str, Table]:
    """Every table by the name of its markers."""
    return {
        "bounds": bounds_table(verdicts),
        "designs": designs_table(found),
        "floor": floor_table(found),
        "references": references_table(found),
        "floats": floats_table(floats),
        "published": published_table(read_published(), found, process),
    }


def as_json(found: Found, floats: Found, verdicts: Sequence[Verdict]) -> str:
    """Everything that was measured."""
    rows: Mapping[str, object] = {row.name: [asdict(metric) for metric in metrics] for row, metrics in found.items()}
    references = {row.name: [asdict(metric) for metric in metrics] for row, metrics in floats.items()}
    bounds = [{**asdict(verdict.bound), "is": verdict.value, "verdict": verdict.word} for verdict in verdicts]
    return json.dumps({"rows": rows, "binary32": references, "bounds": bounds}, indent=1) + "\n"


def main(
    designs: Annotated[str, typer.Option(help="Designs whose rows are built, separated by commas; default: all.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="The rows of ind_tiny alone: minutes.")] = False,
    eeg_recording: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recording for the rows of eeg_int4 and eeg_mixed_int4.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the tables into docs/comparison.md.")] = False,
    print_json: Annotated[
        bool, typer.Option("--json", help="Print everything measured as JSON, nothing else, on stdout.")
    ] = False,
) -> None:
    """Build every row of the comparison with hw.build, in its usual folders, and print the tables.

    What has not changed is re-used; after Ctrl-C the same command goes on where it stopped.
    Exit code 0: good; 1: a bound is missed or a build's check failed; 2: wrong use or input; 130: stopped.

    Examples:

      python -m hw.compare --quick

      python -m hw.compare --designs ind_int4,ind_int8

      python -m hw.compare --eeg-recording S001_continuous.npz --write
    """
    display = Display()
    try:
        wanted = ["ind_tiny"] if quick else [name for name in designs.split(",") if name]
        rows, left_out = chosen_rows(wanted, eeg_recording)
        if write and (wanted or left_out):
            raise WrongInput("--write: the document holds every row; leave out --designs and --quick, and give --eeg-recording")
        read_published()
        process = the_process(write)
        found, floats, failures = compared(rows, eeg_recording, display)
        verdicts = judge({row.name: metrics for row, metrics in found.items()})
        tables = tables_of(found, floats, verdicts, process)
        if write and failures:
            display.line(f"not written, for a build failed: {DOCUMENT.relative_to(REPOSITORY)}", "red")
        elif write:
            write_tables(DOCUMENT, {name: table.markdown() for name, table in tables.items()})
            display.line(f"written: {DOCUMENT.relative_to(REPOSITORY)}")
    except KeyboardInterrupt:
        display.line("stopped; finished builds are kept, the same command goes on from there", "yellow")
        raise typer.Exit(INTERRUPTED) from None
    except (*WRONG_INPUT, DesignError, PublishedError, DocumentError) as error:
        display.line(str(error), "red")
        raise typer.Exit(WRONG) from None
    sys.stdout.write(as_json(found, floats, verdicts) if print_json else _text(tables))
    raise typer.Exit(_close(display, verdicts, left_out, failures))


def _text(tables: Mapping[str, Table]) -> str:
    return "\n\n".join(f"{name}\n\n{table.markdown()}" for name, table in tables.items() if table.rows) + "\n"


def _close(display: Display, verdicts: Sequence[Verdict], left_out: Sequence[str], failures: Sequence[str]) -> int:
    """Say what is missing, what failed and which bounds hold; the exit code."""
    for line in left_out:
        display.line(f"left out: {line}", "yellow")
    for verdict in verdicts:
        bound = verdict.bound
        value = "" if verdict.value is None else f", is {verdict.value:g}"
        colour = "red" if verdict.is_bad else {"met": "green"}.get(verdict.word, "dim")
        display.line(f"{verdict.word:<12} {bound.row}: {bound.metric} {bound.text}{value}", colour)
    for line in failures:
        display.line(line, "red")
    return FAILED if failures or any(verdict.is_bad for verdict in verdicts) else GOOD


def run() -> None:
    """The command line."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(main)
    app(prog_name="python -m hw.compare")


if __name__ == "__main__":
    run()
