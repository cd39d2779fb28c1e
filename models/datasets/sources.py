"""The recordings that one names on a command line of several (designs.recording_place says how), and how a table calls them."""

from pathlib import Path

from designs.recording_place import ALL, MOABB, PlaceError, Source, place_and_tasks
from models.datasets.catalogue import read_recording, tasks_of
from models.recording import Recording, RecordingError


def read_sources(text: str) -> list[Source]:
    """The recordings that `text` names. Raises RecordingError for a place that is not there or tasks it does not list."""
    try:
        place, tasks = place_and_tasks(text)
    except PlaceError as error:
        raise RecordingError(str(error)) from error
    if tasks == (ALL,):
        tasks = tuple(tasks_of(place))
    return [Source(place, task) for task in tasks] or [Source(place)]


def read_source(source: Source) -> Recording:
    """The recording. Raises RecordingError, one line, for whatever cannot be read."""
    return read_recording(Path(source.place), source.task)


def row_name(text: str) -> str:
    """How a table calls what `text` names: the place's last part, and its tasks."""
    place, _, tasks = text.partition("#")
    name = place.removeprefix(MOABB) if place.startswith(MOABB) else Path(place).name.removesuffix(".npz")
    return f"{name} {tasks.replace(',', ' ')}".strip()
