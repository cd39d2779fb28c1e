"""Groups of a study computed side by side; a module of its own, since processes that are spawned import it by its name."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from models.study.group import work
from models.study.plan import Group, StudyError

POLL_S = 1.0


def _work_all(group: Group, folder: Path) -> list[str]:
    return [found for found in work(group, folder) if isinstance(found, str)]


def _start_worker() -> None:
    """Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)


def finish(found: list[Group], folder: Path, jobs: int) -> Iterator[list[str]]:
    """Compute what is missing, `jobs` groups at once; gives, every now and then, what could not be had since, and why."""
    if jobs == 1:
        for group in found:
            yield from ([one] if isinstance(one, str) else [] for one in work(group, folder))
        return
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker)
    try:
        running = {pool.submit(_work_all, group, folder) for group in found}
        while running:
            done, running = wait(running, timeout=POLL_S)
            yield [line for each in done for line in each.result()]
    except BrokenProcessPool as error:
        raise StudyError("a process died, perhaps for want of memory; run again with --jobs 1") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
