"""The whole study of distillation: `python -m models.study --recordings FOLDER --write`."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from designs.schema import DesignError
from models.distillation.registry import DistillationError
from models.recording import RecordingError
from models.study.document import DOCUMENT, write_document
from models.study.group import work
from models.study.plan import CONFIG, Group, Plan, StudyError, groups, read_plan
from models.study.results import Result, key_of, read_result
from models.teachers.teacher import TeacherError

QUICK = CONFIG.with_name("quick.toml")
POLL_S = 1.0


def kept(found: list[Group], folder: Path) -> list[Result]:
    """Every result that is there, in the order of the plan."""
    keys = [
        key_of(fold, variant, group.seed)
        for group in found
        for fold, variants in zip(group.folds, group.wanted, strict=True)
        for variant in variants
    ]
    return [result for key in dict.fromkeys(keys) if (result := read_result(folder, key)) is not None]


def wanted(found: list[Group]) -> int:
    """How many results the plan asks for."""
    return sum(len(variants) for group in found for variants in group.wanted)


def _work_all(group: Group, folder: Path) -> None:
    for _ in work(group, folder):
        pass


def _start_worker() -> None:
    """Ctrl-C is the parent's to handle; a killed parent takes its workers along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)


def finish(found: list[Group], folder: Path, jobs: int) -> Iterator[int]:
    """Compute what is missing, `jobs` groups at once; gives, every now and then, how many results there are."""
    if jobs == 1:
        for group in found:
            for _ in work(group, folder):
                yield len(kept(found, folder))
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        running = {pool.submit(_work_all, group, folder) for group in found}
        while running:
            done, running = wait(running, timeout=POLL_S)
            for each in done:
                each.result()
            yield len(kept(found, folder))
    except BrokenProcessPool as error:
        raise StudyError("a process died, perhaps for want of memory; run again with --jobs 1") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def run(plan: Plan, recordings: Path | None, folder: Path, jobs: int, console: Console) -> tuple[list[Result], int]:
    """(every result of the plan, how many it asks for)."""
    columns = (TextColumn("study"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with console.status("reading recordings"):
        found = groups(plan, recordings)
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(*columns, console=console) as progress:
        bar, said = progress.add_task("study", total=wanted(found), completed=len(kept(found, folder))), -1
        for there in finish(found, folder, jobs):
            progress.update(bar, completed=there)
            if not console.is_terminal and there != said and (there - said >= 20 or there == wanted(found)):
                progress.console.print(f"{there}/{wanted(found)} results")  # bars move on terminals alone
                said = there
    return kept(found, folder), wanted(found)


def command(
    recordings: Annotated[
        Path | None, typer.Option(envvar="RECORDINGS", help="folder in which the plan's recordings lie")
    ] = None,
    config: Annotated[Path, typer.Option(help="the plan: recordings, shots, seeds, experiments")] = CONFIG,
    quick: Annotated[bool, typer.Option("--quick", help="a reduced plan on generated recordings, in minutes")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="processes; default: one per core")] = None,
    out: Annotated[Path, typer.Option(help="folder of results, trained teachers and the document")] = Path("out/study"),
    report: Annotated[bool, typer.Option("--report", help="compute nothing, write the document of what is there")] = False,
    write: Annotated[bool, typer.Option("--write", help=f"write {DOCUMENT} instead of a document in --out")] = False,
) -> None:
    """Methods x recordings x shots, what network and distillation give apart, TSR against gain, poor teachers, integers.

    Examples: python -m models.study --quick; python -m models.study --recordings ../recordings --write; python -m models.study
    --config mine.toml --out out/mine. Every result is kept as it comes: after Ctrl-C the same command goes on where it stopped.
    """
    console = Console(stderr=True, markup=False)
    plan_file = QUICK if quick else config
    try:
        plan = read_plan(plan_file)
        if report:
            with console.status("reading recordings"):
                found = groups(plan, recordings)
            results, asked = kept(found, out), wanted(found)
        else:
            results, asked = run(plan, recordings, out, jobs or len(os.sched_getaffinity(0)), console)
        files = write_document(results, asked, plan, DOCUMENT if write else out / DOCUMENT.name)
    except (RecordingError, DistillationError, TeacherError, StudyError, DesignError, OSError) as error:
        console.print(f"models.study: {' '.join(str(error).split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        console.print("models.study: interrupted; the same command goes on where it stopped", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from interrupt
    console.print(f"written: {', '.join(map(str, files))}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(command)
