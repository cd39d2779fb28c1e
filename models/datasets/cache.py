"""Recordings that took long to read, kept by their content, their task and their reader.

Kept in the folder `IND_CACHE`, else `~/.cache/ind/recordings`, as plain arrays; an empty `IND_CACHE` keeps nothing. A file that
changes (designs.recording_files says which are read), another task or another reader is another entry; a damaged entry is read
anew. The folder can be deleted at any time.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np

from designs.array_archive import ArchiveError, read_arrays
from designs.recording_files import recording_files
from models.recording import Recording, RecordingError, Session
from models.source_closure import closure_digest

VARIABLE = "IND_CACHE"
READ_AT_ONCE = 1 << 20
LIBRARIES = ("mne", "moabb", "mne-bids", "pynwb", "pymatreader")
FIELDS = ("source", "kind", "sample_hz", "electrodes", "label_names", "decide_s", "test_sessions", "target_names")
ARRAYS = ("samples", "onset", "label", "targets")


def cached(path: Path, task: str | None, reader: str, read: Callable[[], Recording]) -> Recording:
    """The kept recording, or what `read` gives, kept. MOABB's sets are fixed by their name and subject. Raises
    PlaceError."""
    folder = _folder()
    if folder is None:
        return read()
    entry = folder / f"{_key(path, task, reader)}.npz"
    with suppress(ArchiveError, OSError, KeyError, ValueError, RecordingError):
        return _load(entry)
    found = read()
    with suppress(OSError):  # a full disk or a read-only home only costs time
        _save(entry, found)
    return found


def _folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    if named is None:
        return Path.home() / ".cache" / "ind" / "recordings"
    return Path(named) if named else None


def _key(path: Path, task: str | None, reader: str) -> str:
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    found = hashlib.sha256(json.dumps([path.name, task, closure_digest(reader), *libraries]).encode())
    folder = path if path.is_dir() else path.parent
    for file in recording_files(path, task):
        found.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            while part := opened.read(READ_AT_ONCE):
                found.update(part)
    return found.hexdigest()


def _save(entry: Path, recording: Recording) -> None:
    """Under a temporary name, then renamed."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    head = {field: getattr(recording, field) for field in FIELDS} | {"sessions": [each.name for each in recording.sessions]}
    arrays = {"head": np.array(json.dumps(head))}
    for i, session in enumerate(recording.sessions):
        arrays |= {f"{i}.{name}": value for name in ARRAYS if (value := getattr(session, name)) is not None}
    partial = entry.with_name(f".{entry.stem}.{os.getpid()}.partial.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(entry)


def _load(entry: Path) -> Recording:
    found = read_arrays(entry)
    head = json.loads(str(found["head"]))
    names = head.pop("sessions")
    sessions = tuple(
        Session(name, found[f"{i}.samples"], found[f"{i}.onset"], found[f"{i}.label"], found.get(f"{i}.targets"))
        for i, name in enumerate(names)
    )
    for field in ("electrodes", "label_names", "test_sessions", "target_names"):
        head[field] = tuple(head[field])
    return Recording(sessions=sessions, **head)
