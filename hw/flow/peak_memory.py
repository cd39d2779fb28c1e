"""Peak memory of this process and everything it started, sampled while a step runs."""

import threading
from types import TracebackType

import psutil

PERIOD_S = 0.2


class PeakMemory:
    """``with PeakMemory() as peak: ...; peak.mib`` - the largest sum of resident memory of the process tree, in MiB."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        self.mib = max(self.mib, _tree_mib())

    def _watch(self) -> None:
        while not self._done.wait(PERIOD_S):
            self.mib = max(self.mib, _tree_mib())


def _tree_mib() -> float:
    process = psutil.Process()
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.Error:  # it ended between the two calls
            continue
    return total / (1 << 20)
