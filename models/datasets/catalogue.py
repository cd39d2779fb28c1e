"""Which reader a recording needs: of an .npz told from its keys and shapes alone, never from its name; else from its format.

Readers of other formats and their libraries are imported when such a recording is asked for, and what they read is kept
(models.datasets.cache).
"""

import importlib
import warnings
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np

from designs.recording_files import BIDS_MARK, MNE_SUFFIXES, NWB_SUFFIXES, session_files
from designs.recording_place import MOABB, PlaceError, one_source
from designs.schema import Design
from models.datasets import bci4_2b, bci4_ecog_features, ecog_snippets, generic, physionet_eegmmidb, stevenson_spikes
from models.datasets.archive import open_archive
from models.datasets.cache import cached
from models.datasets.generated import generate
from models.datasets.generated_counts import generate_counts
from models.recording import Recording, RecordingError

READERS: tuple[ModuleType, ...] = (generic, physionet_eegmmidb, bci4_2b, bci4_ecog_features, stevenson_spikes, ecog_snippets)
FORMATS = {
    **dict.fromkeys(MNE_SUFFIXES, "models.datasets.mne_files"),
    ".mat": "models.datasets.bci4_ecog_mat",
    **dict.fromkeys(NWB_SUFFIXES, "models.datasets.nwb_files"),
}
"""Ending of a file -> reader."""


def read_recording(path: Path, task: str | None = None) -> Recording:
    """The recording at `path`, a file, a folder or `moabb:NAME`. Raises RecordingError, one line, for what cannot be read."""
    reader = format_reader(path)
    if reader is None:
        return _read_archive(path, task)
    try:
        return cached(path, task, reader, lambda: _guarded(reader, path, task))
    except PlaceError as error:
        raise RecordingError(str(error)) from error


def format_reader(path: Path) -> str | None:
    """The module that reads what is no .npz; None for an .npz. Raises RecordingError for an unknown format."""
    if str(path).startswith(MOABB):
        return "models.datasets.moabb_sets"
    if path.is_dir():
        if (path / BIDS_MARK).is_file():
            return "models.datasets.bids_folder"
        return FORMATS[next((file.suffix.lower() for file in session_files(path)), ".edf")]
    if not path.is_file() or path.suffix.lower() in (".npz", ".npy") or zipfile.is_zipfile(path):
        return None
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join([".npz", *FORMATS])
        raise RecordingError(f"{path.name}: a file of an unknown format; known are {known}, BIDS folders and moabb:NAME")
    return reader


def _guarded(reader: str, path: Path, task: str | None) -> Recording:
    """What the reader finds; one line where its library stumbles, whatever it raises."""
    module = importlib.import_module(reader)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Recording = module.read(str(path) if str(path).startswith(MOABB) else path, task)
            return found
    except (RecordingError, PlaceError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise RecordingError(f"{path.name}: not readable as {module.KIND} ({reason}); copy or download it again") from error


def _read_archive(path: Path, task: str | None) -> Recording:
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
    reader, listed = format_reader(path), None
    if reader is not None:
        module = importlib.import_module(reader)
        listed = module.tasks(place if place.startswith(MOABB) else path) if hasattr(module, "tasks") else None
    else:
        found = open_archive(path)
        fitting = next((each for each in READERS if each.matches(found)), None)
        listed = fitting.tasks(found) if fitting is not None and hasattr(fitting, "tasks") else None
    if not listed:
        raise RecordingError(f"{path.name}: has no list of tasks; leave #all out")
    return list(listed)


def recording_for(design: Design, named: str | Path | None, task: str | None, seed: int) -> Recording:
    """The one recording that `named` names, `PLACE` or `PLACE#TASK`, or the generated one that `design` takes."""
    if named is not None:
        try:
            source = one_source(str(named), task)
        except PlaceError as error:
            raise RecordingError(str(error)) from error
        return read_recording(Path(source.place), source.task)
    if task is not None:
        raise RecordingError(f"the generated recording has no task {task!r}; leave --task out, or give a --recording")
    if design.tokenizer.signal == "counts" and design.model.regression:
        return generate_counts(design, seed)
    if design.tokenizer.signal != "voltage" or design.model.regression:
        raise RecordingError(
            f"{design.name}: no recording is generated for {design.model.task} from {design.tokenizer.signal}; "
            f"give one with --recording"
        )
    return generate(design, seed)
