"""Opening .npz recordings and reading their numbers: anything damaged is one clear line."""

from pathlib import Path

import numpy as np

from designs.array_archive import ArchiveError, read_arrays
from models.recording import RecordingError

Archive = dict[str, np.ndarray]


def open_archive(path: Path) -> Archive:
    """Every array of the .npz at `path`; RecordingError where it is missing, damaged, too large or holds objects."""
    if not path.is_file():
        raise RecordingError(f"{path}: no such recording; give the path of an .npz file")
    try:
        return read_arrays(path)
    except ArchiveError as error:
        if "single array" in str(error) or "Python objects" in str(error):
            raise RecordingError(f"{path.name}: {error}; save plain number and text arrays with numpy.savez") from error
        raise RecordingError(f"{path.name}: not a readable .npz recording ({error}); copy or save it again") from error
    except OSError as error:
        raise RecordingError(f"{path.name}: not a readable .npz recording ({error}); copy or save it again") from error


def number(found: Archive, key: str, source: str, default: float | None = None) -> float:
    """The finite number under `key`, or `default` where one is given and the key is absent. Raises RecordingError."""
    if default is not None and key not in found:
        return default
    value = found[key]
    if value.size != 1 or not (np.issubdtype(value.dtype, np.integer) or np.issubdtype(value.dtype, np.floating)):
        raise RecordingError(f"{source}: {key} is {value.dtype} {list(value.shape)} where one number is needed; save it again")
    if not np.isfinite(value).all():
        raise RecordingError(f"{source}: {key}={value.item()} is not a finite number; correct it")
    return float(value.item())
