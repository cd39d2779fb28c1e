"""Groups of a study computed side by side; a module of its own, since processes that are spawned import it by its name."""

from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

from models.side_by_side import processes
from models.study.group import Group
from models.study.plan import StudyError
from models.study.work import work

POLL_S = 1.0
NICENESS = 5


def finish(found: list[Group], folder: Path, jobs: int) -> Iterator[list[str]]:
    """Compute what is missing, `jobs` groups at once; gives, every now and then, what could not be had since, and why."""
    if jobs == 1:
        for group in found:
            yield from ([one] if isinstance(one, str) else [] for one in work(group, folder))
        return
    with processes(jobs, StudyError, niceness=NICENESS) as pool:
        running = {pool.submit(_work_all, group, folder) for group in found}
        while running:
            done, running = wait(running, timeout=POLL_S)
            yield [line for each in done for line in each.result()]


def _work_all(group: Group, folder: Path) -> list[str]:
    return [found for found in work(group, folder) if isinstance(found, str)]
