"""`python -m hw.build DESIGN`: a recording to verified RTL with area and power, or to a bitstream, and its report."""

import json
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from designs.catalogue import find_design
from designs.decoding_set import DecodingSetError
from designs.metric import Metric, MetricError, read_metrics
from designs.recording_place import PlaceError, one_source, settled
from designs.schema import Design, DesignError
from hw.flow.activity import Activity
from hw.flow.artifact import Kind
from hw.flow.bitstream import Bitstream
from hw.flow.check import Check
from hw.flow.display import Display
from hw.flow.ecp5_netlist import Ecp5Netlist
from hw.flow.elaborate import Elaborate
from hw.flow.floor import Floor
from hw.flow.given import Given
from hw.flow.libraries import process_for
from hw.flow.lint import Lint
from hw.flow.out_folder import claim, design_of, folder_name, other_builds, unwritable
from hw.flow.power import Power
from hw.flow.prototype import PrototypeSimulation
from hw.flow.quantize import Quantize
from hw.flow.report import Report
from hw.flow.runner import METRICS, Made, NoSpace, run_flow
from hw.flow.simulate import Simulate
from hw.flow.step import CheckFailed, Step, WrongInput
from hw.flow.synthesize import Synthesize
from hw.flow.timing import Timing
from hw.flow.tool import MissingTool, ToolError
from hw.flow.train import Train
from hw.plan.cycles import check_pace
from hw.power.liberty import LibertyError
from hw.power.netlist import NetlistError
from hw.report.cards import cards
from hw.report.compare import compare, of_steps
from hw.report.results import Results
from hw.targets.board import find_board, fit_to_board, why_no_netlist
from hw.targets.process import TargetError
from quant.golden.exactness import ExactnessError
from quant.golden.parameters import ParameterError

GOOD, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
WRONG_INPUT = (
    *(WrongInput, PlaceError, DesignError, MissingTool, NoSpace, MetricError, TargetError, LibertyError),
    *(DecodingSetError, ParameterError, ExactnessError, NetlistError),
)
"""Errors that are one line about what the user gave, what the machine lacks, or a file that was damaged on the way."""

SILICON = (Synthesize(), Timing(), Activity(), Power(), Floor())


def silicon_flow(train: Train | Given, teacher: str | None = None) -> tuple[Step, ...]:
    """Recording, or a decoder that was trained before, to power and area."""
    return (train, Quantize(train.seed, teacher), Check(), Elaborate(), Lint(), Simulate(), *SILICON, Report())


def board_flow(train: Train | Given, board: str, design: Design, teacher: str | None = None) -> tuple[Step, ...]:
    """Recording to a board's bitstream; the decoder in it is simulated, as cells too where that takes less than minutes."""
    netlist = () if why_no_netlist(design, find_board(board)) else (Ecp5Netlist(board),)
    steps = (train, Quantize(train.seed, teacher), Check(), PrototypeSimulation(board))
    return (*steps, *netlist, Bitstream(board), Report())


def changed_design(design: Design, target: str | None, backend: str | None, clock_khz: int | None) -> Design:
    """`design` with the hardware options that were given; DesignError if they do not fit."""
    now = design.hardware
    hardware = replace(
        now,
        target=now.target if target is None else target,
        backend=now.backend if backend is None else backend,
        clock_khz=now.clock_khz if clock_khz is None else clock_khz,
    )
    return replace(design, hardware=hardware)


def _refuse_early(design: Design, steps: Sequence[Step], target: str | None, board: str | None) -> None:
    """Say what cannot work before minutes are spent: WrongInput, MissingTool or DesignError."""
    check_pace(design if board is None else fit_to_board(design, find_board(board)))
    if board is None and target is not None:
        process_for(design)
    for step in steps:
        step.require(design)


def _refuse_beside_board(board: str | None, **others: object) -> None:
    """WrongInput for options that a bitstream would ignore."""
    given = [f"--{name.replace('_', '-')}" for name, value in others.items() if value is not None]
    if board is not None and given:
        raise WrongInput(
            f"--board {board}: leave out {' and '.join(given)}; a bitstream is of our own core, at the clock of its board"
        )


def _given(checkpoint: Path, seed: int | None, recording: str | None, task: str | None) -> Given:
    """The step that takes a trained decoder; WrongInput beside a recording, which nobody would read."""
    if recording is not None or task is not None:
        raise WrongInput(
            f"--checkpoint {checkpoint}: leave out --recording and --task; a trained decoder brings its own windows"
        )
    return Given(str(checkpoint.resolve()), seed)


def _read_before(path: Path, design: Design, steps: Sequence[Step]) -> tuple[Metric, ...]:
    """The metrics to compare with: those of `steps`. WrongInput where there are none, or they are of another design."""
    other = design_of(path)
    if other is not None and other != design.name:
        raise WrongInput(f"--compare {path}: is of {other}, not of {design.name}; give one of {design.name}")
    found = of_steps(read_metrics(path), [step.name for step in steps])
    if not found:
        wanted = f"metrics of the steps from {steps[0].name} to {steps[-1].name}"
        raise WrongInput(f"--compare {path}: has no {wanted}; give the one a build left in its folder")
    return found


def until_step(steps: Sequence[Step], last: str | None) -> tuple[Step, ...]:
    """`steps` up to and with the one named `last`; WrongInput suggests the nearest name."""
    names = [step.name for step in steps]
    if last is None:
        return tuple(steps)
    if last not in names:
        near = get_close_matches(last, names, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"the steps are {', '.join(names)}"
        raise WrongInput(f"--until {last}: no such step: {hint}")
    return tuple(steps[: names.index(last) + 1])


def main(
    design_name: Annotated[
        str, typer.Argument(metavar="DESIGN", help="A named design: ind_tiny, ind_int4, ind_int8, eeg_int4, spikes_int4 ...")
    ],
    recording: Annotated[
        str | None, typer.Option(help="FILE, FOLDER or moabb:NAME, #TASK behind it (docs/datasets.md); default: generated.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Which task of the recording to decode; default: what its reader says.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="ihp_sg13g2, osu018, or the path of a Liberty file.")] = None,
    backend: Annotated[
        str | None, typer.Option(help="engine (one array for all layers), or a pipeline: amaranth, finn.")
    ] = None,
    board: Annotated[str | None, typer.Option(help="Build a bitstream: icebreaker or ulx3s-85f.")] = None,
    clock_khz: Annotated[int | None, typer.Option(help="Clock; default: the design's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the training.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Start from what models.train or models.distill left there.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(metavar="FILE", help="lesson.safetensors of models.distill: it stays in the loss.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results; default: out/DESIGN, options appended.")] = None,
    until: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    compare_with: Annotated[
        Path | None, typer.Option("--compare", metavar="METRICS", help="An earlier metrics.json: worse is a failed check.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON, nothing else, on stdout.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run every step again.")] = False,
) -> None:
    """Build DESIGN: train, quantize, prove integers equal, emit RTL, simulate it, synthesize it, measure power, report.

    Results go to out/DESIGN/; a later run re-uses every step whose inputs have not changed.
    Exit code 0: good; 1: a check failed; 2: wrong use or input; 130: stopped by Ctrl-C or SIGTERM.

    Examples:

      python -m hw.build ind_tiny

      python -m hw.build ind_int4 --target osu018

      python -m hw.build eeg_int4 --recording S001_continuous.npz

      python -m hw.build eeg_int4 --checkpoint out/taught --teacher out/taught/lesson.safetensors

      python -m hw.build ind_tiny --board icebreaker

      python -m hw.build ind_int4 --json --compare before/metrics.json
    """
    signal.signal(signal.SIGTERM, _interrupt)
    display = Display()
    try:
        place = None
        if recording is not None:
            source = one_source(recording, task)
            place, task = settled(source.place), source.task
        given: dict[str, object] = {"recording": place, "task": task, "target": target, "backend": backend, "board": board}
        given |= {"clock_khz": clock_khz, "seed": seed, "checkpoint": checkpoint, "teacher": teacher}
        options = {name: str(value) for name, value in given.items() if value is not None}
        design = changed_design(find_design(design_name), target, backend, clock_khz)
        _refuse_beside_board(board, target=target, backend=backend, clock_khz=clock_khz)
        if teacher is not None and checkpoint is None:
            raise WrongInput(
                "--teacher speaks of the decoder that it was distilled into; give that one's folder with --checkpoint"
            )
        train = Train(place, task, seed) if checkpoint is None else _given(checkpoint, seed, recording, task)
        taught = None if teacher is None else str(teacher.resolve())
        flow = silicon_flow(train, taught) if board is None else board_flow(train, board, design, taught)
        steps = until_step(flow, until)
        before = _read_before(compare_with, design, steps) if compare_with is not None else ()
        _refuse_early(design, steps, target, board)
        folder = (out or Path("out") / folder_name(design.name, options)).resolve()
        claim(folder, design.name, options)
        display.line(f"{design.name} into {_shown(folder)}/")
        made = run_flow(steps, design, folder, display, force=force, others=other_builds(folder))
        code = _close(display, folder, made, before)
    except KeyboardInterrupt:
        display.line("stopped; finished steps are kept, the same command goes on from there", "yellow")
        raise typer.Exit(INTERRUPTED) from None
    except WRONG_INPUT as error:
        display.line(str(error), "red")
        raise typer.Exit(WRONG) from None
    except (CheckFailed, ToolError) as error:
        _show_failure(display, error)
        raise typer.Exit(FAILED) from None
    if as_json:
        sys.stdout.write((folder / METRICS).read_text())
    raise typer.Exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show_failure(display: Display, error: CheckFailed | ToolError) -> None:
    for line in error.lines:
        display.line(f"    {line}", "dim")
    display.line(f"{error}" + (f"; its log is {_shown(error.log)}" if error.log else ""), "red")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _close(display: Display, folder: Path, made: Made, before: Sequence[Metric]) -> int:
    """Put the report at the top, print the verdict; the exit code."""
    if Kind.REPORT in made.files:
        _put_report(made.files[Kind.REPORT].parent, folder)
    for card in cards(Results(made.metrics)):
        display.line(f"  {card.name:<28} {card.value} {card.unit}".rstrip())
    if Kind.POWER in made.files:
        power = json.loads(made.files[Kind.POWER].read_text())
        display.line(f"  {'process':<28} {power['target']}, {power['corner']}; {power['memory_model'] or 'real memory macros'}")
    display.line(f"report: {_shown(folder / 'report.html')}" if Kind.REPORT in made.files else f"results: {_shown(folder)}/")
    changes = compare(before, made.metrics)
    for change in changes:
        display.line(str(change), "red" if change.worse else "green")
    for failure in made.failures:
        display.line(failure, "red")
    return FAILED if made.failures or any(change.worse for change in changes) else GOOD


def _put_report(source: Path, folder: Path) -> None:
    try:
        for name in ("report.html", "report.md"):
            partial = folder / f".{name}.partial"
            shutil.copyfile(source / name, partial)
            partial.replace(folder / name)
    except OSError as error:
        raise unwritable(folder, error) from error


def run() -> None:
    """The command line."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(main)
    app(prog_name="python -m hw.build")


if __name__ == "__main__":
    run()
