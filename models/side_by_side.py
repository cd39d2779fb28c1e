"""Work in processes side by side: how they start, and that however the work ends they end with it."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

DIED = "a process died, perhaps for want of memory; run again with --jobs 1"


@contextmanager
def processes(jobs: int, failure: type[Exception], *, niceness: int = 0) -> Iterator[ProcessPoolExecutor]:
    """A pool of `jobs` processes of one thread each, which leave Ctrl-C to their parent; `failure` where one of them dies.

    They are spawned, so what they are to do stands in a module that can be imported by its name.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(niceness,))
    try:
        yield pool
    except BrokenProcessPool as error:
        raise failure(DIED) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()


def _start(niceness: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
