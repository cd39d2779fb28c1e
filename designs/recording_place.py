"""Where a recording lies, as one writes it on a command line: `PLACE`, `PLACE#TASK,TASK` or `PLACE#all`.

PLACE is a file, a folder or `moabb:NAME`. Each task is a recording of its own (a subject, a kind of trial); `all` is every task
that the place lists.
"""

from dataclasses import dataclass
from pathlib import Path

MOABB, ALL = "moabb:", "all"


class PlaceError(ValueError):
    """A place without a recording; the message names it and what to do."""


@dataclass(frozen=True)
class Source:
    """One recording: its place and its task."""

    place: str
    task: str | None = None


def place_and_tasks(text: str) -> tuple[str, tuple[str, ...]]:
    """(place, tasks) of what was written; no tasks: the place's own choice. PlaceError where nothing is there.

    A file may have a `#` in its name: the longest name that is there is the place.
    """
    parts = text.split("#")
    cuts = [cut for cut in range(len(parts), 0, -1) if Path("#".join(parts[:cut])).exists()]
    cut = cuts[0] if cuts else 1
    place, tasks = "#".join(parts[:cut]), "#".join(parts[cut:])
    if not place or (not place.startswith(MOABB) and not Path(place).exists()):
        raise PlaceError(f"{place or repr(text)}: no such recording; give a file, a folder or moabb:NAME")
    return place, tuple(task for task in tasks.split(",") if task)


def one_source(text: str, task: str | None = None) -> Source:
    """The one recording that `text` names, its task behind `#` or in `task`. PlaceError where that is none or several."""
    place, tasks = place_and_tasks(text)
    if tasks and task is not None:
        raise PlaceError(f"{text}: names a task, and --task {task} another time; leave one of them out")
    if len(tasks) > 1 or tasks == (ALL,):
        one = "TASK" if tasks == (ALL,) else tasks[0]
        raise PlaceError(f"{text}: is one recording per task; give one, such as {place}#{one}")
    return Source(place, tasks[0] if tasks else task)


def settled(place: str) -> str:
    """The same place from whatever folder; links are followed to a folder, but a file keeps its own name and neighbours."""
    if place.startswith(MOABB):
        return place
    path = Path(place)
    return str(path.resolve() if path.is_dir() else path.parent.resolve() / path.name)
