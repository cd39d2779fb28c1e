"""Reading .npz archives that anybody may have written: plain arrays, bounded before memory is taken, never unpickled."""

import lzma
import math
import struct
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

BYTES_AT_MOST = 4 << 30
"""All arrays of an archive together, unpacked."""
EMPTY_AT_MOST = 1 << 20
"""Elements that the sides of an array without elements may span: [0, 10**12] holds nothing, but has 10**12 columns."""

MAGIC = b"\x93NUMPY"
HEADER = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class ArchiveError(ValueError):
    """A file that is no archive of plain arrays, or one too large; the message says what is wrong, not which file."""


def read_arrays(path: Path, bytes_at_most: int = BYTES_AT_MOST) -> dict[str, np.ndarray]:
    """Every array of the .npz at `path` by name; OSError where it cannot be read at all, else ArchiveError, one line.

    What the archive's directory and the arrays' headers claim is checked first, so a small file cannot ask for much memory.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            raise ArchiveError("is a single array, not an .npz archive")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            total = sum(info.file_size for info in members)
            if total > bytes_at_most:
                raise ArchiveError(f"unpacks to {total} bytes, more than the {bytes_at_most} that are read")
            for info in members:
                with archive.open(info) as member:
                    _check_header(info.filename.removesuffix(".npy"), member, info.file_size)
            return {info.filename.removesuffix(".npy"): _array(archive, info) for info in members}
    except ArchiveError:
        raise
    except (ValueError, TypeError, KeyError, EOFError, SyntaxError, RuntimeError, MemoryError, struct.error) as error:
        raise ArchiveError(_reason(error)) from error
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, TokenError) as error:
        raise ArchiveError(_reason(error)) from error


def _check_header(name: str, member: IO[bytes], size: int) -> None:
    version = np.lib.format.read_magic(member)
    if version not in HEADER:
        raise ArchiveError(f"array {name} is of .npy version {version[0]}.{version[1]}, which is not read")
    shape, _, dtype = HEADER[version](member)
    if dtype.hasobject:
        raise ArchiveError(f"array {name} holds Python objects, which are never loaded")
    spans = math.prod(max(1, side) for side in shape) * max(1, dtype.itemsize)
    held = size if math.prod(shape) * dtype.itemsize else EMPTY_AT_MOST
    if spans > held:
        raise ArchiveError(f"array {name} claims {dtype} {list(shape)}, more than the {size} bytes it has")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):
            raise ArchiveError(f"array {info.filename.removesuffix('.npy')} is followed by bytes of something else")
        return array


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
