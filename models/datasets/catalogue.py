"""Which reader a recording needs, told from its keys and shapes alone, never from its name."""

import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

from designs.schema import Design
from models.datasets import bci4_2b, bci4_ecog_features, ecog_snippets, generic, physionet_eegmmidb, stevenson_spikes
from models.datasets.archive import open_archive
from models.datasets.generated import generate
from models.recording import Recording, RecordingError

READERS: tuple[ModuleType, ...] = (generic, physionet_eegmmidb, bci4_2b, bci4_ecog_features, stevenson_spikes, ecog_snippets)


def read_recording(path: Path, task: str | None = None) -> Recording:
    """The recording at `path`. Raises RecordingError, one line, for whatever cannot be read."""
    found = open_archive(path)
    for reader in READERS:
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():  # what overflows is refused by Recording's checks
                warnings.simplefilter("ignore", RuntimeWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                if reader.matches(found):
                    return reader.read(found, path.name, task)
        except RecordingError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError) as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise RecordingError(f"{path.name}: a damaged {reader.KIND} recording ({reason}); save it again") from error
    keys = ", ".join(sorted(found)[:8]) or "no arrays"
    raise RecordingError(
        f"{path.name}: recording of an unknown kind (it holds {keys}); known are "
        f"{', '.join(reader.KIND for reader in READERS)}, and models/datasets/generic.py says how to write your own"
    )


def tasks_of(place: str) -> list[str]:
    """Every task that the recording at `place` holds, each a recording of its own. Raises RecordingError where it has none."""
    path = Path(place)
    found = open_archive(path)
    for reader in READERS:
        if hasattr(reader, "tasks") and reader.matches(found):
            return list(reader.tasks(found))
    raise RecordingError(f"{path.name}: has no list of tasks; leave #all out")


def recording_for(design: Design, path: Path | None, task: str | None, seed: int) -> Recording:
    """The recording at `path`, or the generated one that `design` takes."""
    if path is not None:
        return read_recording(path, task)
    if task is not None:
        raise RecordingError(f"the generated recording has no task {task!r}; leave --task out, or give a --recording")
    return generate(design, seed)
