"""The whole study of distillation: `python -m models.study --recordings FOLDER --write`."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from designs.schema import DesignError
from models.distillation.registry import DistillationError
from models.recording import RecordingError
from models.study.document import DOCUMENT, write_document
from models.study.group import Group
from models.study.plan import CONFIG, StudyError, groups, read_plan
from models.study.results import Result, key_of, read_result
from models.study.workers import finish
from models.teachers.teacher import TeacherError

QUICK = CONFIG.with_name("quick.toml")
OUT, OUT_QUICK = Path("out/study"), Path("out/study_quick")


def keys(found: list[Group]) -> dict[str, tuple[str, str]]:
    """Key of every result that the plan asks for, in its order -> (its row, its subject), as the plan calls them now."""
    return {
        key_of(fold, variant, group.seed): (group.row, group.subject)
        for group in found
        for fold, variants in zip(group.folds, group.wanted, strict=True)
        for variant in variants
    }


def kept(wanted: dict[str, tuple[str, str]], folder: Path) -> list[Result]:
    """Every result that is there, in the order of the plan."""
    read = ((read_result(folder, key), *names) for key, names in wanted.items())
    return [replace(found, row=row, subject=subject) for found, row, subject in read if found is not None]


def run(found: list[Group], wanted: set[str], folder: Path, jobs: int, console: Console) -> list[str]:
    """Compute what is missing; what could not be had, and why, each reason once."""
    columns = (TextColumn("study"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    results, reasons, said = folder / "results", dict[str, None](), -1
    results.mkdir(parents=True, exist_ok=True)
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("study", total=len(wanted))
        for lines in finish(found, folder, jobs):
            reasons |= dict.fromkeys(lines)
            there = len(wanted & {path.stem for path in results.iterdir()})
            progress.update(bar, completed=there)
            if not console.is_terminal and there - said >= 20:  # bars move on terminals alone
                progress.console.print(f"{there}/{len(wanted)} results")
                said = there
    return list(reasons)


def command(
    recordings: Annotated[
        Path | None, typer.Option(envvar="RECORDINGS", help="folder in which the plan's recordings lie")
    ] = None,
    config: Annotated[Path, typer.Option(help="the plan: recordings, shots, seeds, experiments")] = CONFIG,
    quick: Annotated[bool, typer.Option("--quick", help="a reduced plan on generated recordings, in minutes")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one per core")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help=f"folder of results, trained teachers and the document; default: {OUT}, of --quick {OUT_QUICK}"),
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="compute nothing, write the document of what is there")] = False,
    write: Annotated[bool, typer.Option("--write", help=f"write {DOCUMENT} instead of a document in --out")] = False,
) -> None:
    """Methods x recordings x shots, what network and distillation give apart, TSR against gain, poor teachers, integers.

    Examples: python -m models.study --quick; python -m models.study --recordings ../recordings --write; python -m models.study
    --config mine.toml --out out/mine. Every result is kept as it comes: after Ctrl-C the same command goes on where it stopped.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    out = out or (OUT_QUICK if quick else OUT)
    try:
        if quick and write:
            raise StudyError(f"--quick is on generated recordings, which {DOCUMENT} is not about; leave --write out")
        if quick and config != CONFIG:
            raise StudyError(f"--quick has a plan of its own, {QUICK.name}; leave --quick or --config out")
        plan = read_plan(QUICK if quick else config)
        with console.status("reading recordings"):
            found = groups(plan, recordings)
            wanted = keys(found)
        left_out = [] if report else run(found, set(wanted), out, jobs or len(os.sched_getaffinity(0)), console)
        files = write_document(kept(wanted, out), len(wanted), plan, DOCUMENT if write else out / DOCUMENT.name)
    except (RecordingError, DistillationError, TeacherError, StudyError, DesignError, OSError) as error:
        console.print(f"models.study: {' '.join(str(error).split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        console.print("models.study: interrupted; the same command goes on where it stopped", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from interrupt
    for line in left_out:
        console.print(f"left out: {' '.join(line.split())}", highlight=False, soft_wrap=True)
    console.print(f"written: {', '.join(map(str, files))}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(command)
