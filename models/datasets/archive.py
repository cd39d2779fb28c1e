"""Opening .npz recordings: plain arrays only, nothing is ever unpickled, anything damaged is one clear line."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from models.recording import RecordingError

Archive = dict[str, np.ndarray]


def open_archive(path: Path) -> Archive:
    """Every array of the .npz at `path`; RecordingError where it is missing, damaged, truncated or holds objects."""
    if not path.is_file():
        raise RecordingError(f"{path}: no such recording; give the path of an .npz file")
    try:
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile):
            raise RecordingError(f"{path.name}: is a single array, not an .npz recording; save it with numpy.savez")
        with opened as found:
            return {name: found[name] for name in found.files}
    except RecordingError:
        raise
    except (ValueError, OSError, EOFError, KeyError, SyntaxError, NotImplementedError) as error:
        raise RecordingError(_damage(path, error)) from error
    except (zipfile.BadZipFile, zlib.error, MemoryError) as error:
        raise RecordingError(_damage(path, error)) from error


def _damage(path: Path, error: BaseException) -> str:
    if "allow_pickle" in str(error) or "Object arrays" in str(error):
        return f"{path.name}: holds Python objects, which are never loaded; save plain number and text arrays with numpy.savez"
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"{path.name}: not a readable .npz recording ({reason}); copy or save it again"
