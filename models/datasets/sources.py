"""Where a recording comes from, as one writes it on a command line: `PLACE` or `PLACE#TASK,TASK` or `PLACE#all`.

PLACE is a file, a folder or `moabb:NAME`. Each task is a recording of its own (a subject, a kind of trial); `all` is every task
that the place lists.
"""

from dataclasses import dataclass
from pathlib import Path

from models.datasets.catalogue import read_recording, tasks_of
from models.recording import Recording, RecordingError


@dataclass(frozen=True)
class Source:
    """One recording: its place and its task."""

    place: str
    task: str | None = None


def read_sources(text: str) -> list[Source]:
    """The recordings that `text` names. Raises RecordingError for a place that is not there or tasks it does not list."""
    place, _, tasks = text.partition("#")
    if not place or (not place.startswith("moabb:") and not Path(place).exists()):
        raise RecordingError(f"{place or repr(text)}: no such recording; give a file, a folder or moabb:NAME")
    if not tasks:
        return [Source(place)]
    if tasks == "all":
        return [Source(place, task) for task in tasks_of(place)]
    return [Source(place, task) for task in tasks.split(",")]


def read_source(source: Source) -> Recording:
    """The recording. Raises RecordingError, one line, for whatever cannot be read."""
    return read_recording(Path(source.place), source.task)


def row_name(text: str) -> str:
    """How a table calls what `text` names: the place's last part, and its tasks."""
    place, _, tasks = text.partition("#")
    name = place.partition(":")[2] if place.startswith("moabb:") else Path(place).name.removesuffix(".npz")
    return f"{name} {tasks.replace(',', ' ')}".strip()
