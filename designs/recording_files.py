"""Every file that reading a recording reads: what a kept recording and a build are keyed by.

Told from names, and of BrainVision from the header's text; nothing else is opened. Where this list and a reader disagree, a
changed file goes unnoticed: a reader that opens another file belongs here as well.
"""

import configparser
import re
from itertools import count, takewhile
from pathlib import Path

from designs.recording_place import MOABB, PlaceError

BIDS_MARK = "dataset_description.json"
MNE_SUFFIXES, NWB_SUFFIXES = (".edf", ".bdf", ".gdf", ".vhdr", ".fif"), (".nwb",)
HEADER_BYTES = 1 << 20
"""The largest BrainVision header that is read; one of 512 channels has 30 KB."""
BIDS_SIGNALS, BIDS_TABLES = ("eeg", "ieeg"), (".tsv", ".json")


def recording_files(place: str | Path, task: str | None = None) -> tuple[Path, ...]:
    """The files of the recording at `place`, a file or a folder, sorted; none for `moabb:NAME`, which is fixed by its name.

    `task` chooses the subject of a BIDS folder. Raises PlaceError.
    """
    path = Path(place)
    if str(place).startswith(MOABB):
        return ()
    if path.is_dir():
        first = bids_files(path, task) if (path / BIDS_MARK).is_file() else session_files(path)
    elif path.is_file():
        first = [path]
    else:
        raise PlaceError(f"{place}: no such recording; give a file, a folder or moabb:NAME")
    return tuple(sorted({*first, *(beside for file in first for beside in _read_with(file))}))


def session_files(folder: Path) -> list[Path]:
    """Files of a folder that are sessions of one recording, by name: those of NWB where there are any, else MNE's."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return [path for path in files if path.suffix in NWB_SUFFIXES] or [
        path for path in files if path.suffix.lower() in MNE_SUFFIXES
    ]


def bids_subjects(root: Path) -> list[str]:
    """Labels of the subjects' folders."""
    return sorted(path.name.removeprefix("sub-") for path in root.glob("sub-*") if path.is_dir())


def bids_subject(root: Path, task: str | None) -> str:
    """The subject that `task`, `SUBJECT/labels@seconds`, names; the first one where it names none, "" where there is none."""
    return (task or "").partition("/")[0] or next(iter(bids_subjects(root)), "")


def bids_files(root: Path, task: str | None) -> list[Path]:
    """Tables of the root, and of one subject the tables and all that lies beside its EEG or intracranial signals."""
    subject = root / f"sub-{bids_subject(root, task)}"
    below = [path for path in subject.rglob("*") if path.is_file()]
    signals = [path for path in below if path.parent.name in BIDS_SIGNALS]
    tables = [path for path in (*root.iterdir(), *below) if path.suffix in BIDS_TABLES and path.is_file()]
    return sorted({*signals, *tables})


def _read_with(path: Path) -> list[Path]:
    """Files that are read with this one and lie beside it."""
    suffix = path.suffix.lower()
    if suffix == ".vhdr":
        return _brainvision_parts(path)
    if suffix == ".fif":
        return _fif_parts(path)
    if suffix == ".mat":
        labels = path.with_name(competition_labels(path.name))
        return [labels] if labels.is_file() else []
    return []


def competition_labels(name: str) -> str:
    """Where BCI Competition IV 4 keeps the test flexion of `subN_comp.mat`; `name` itself where it is called otherwise."""
    return name.replace("_comp", "_testlabels")


def _brainvision_parts(header: Path) -> list[Path]:
    """Signal and markers that the header names, or MNE-Python's stand-in for markers that are not where it says."""
    infos = _common_infos(header)
    named = {key: infos[key.lower()] for key in ("DataFile", "MarkerFile") if infos.get(key.lower())}
    for key, name in named.items():
        if Path(name).name != name:
            raise PlaceError(f"{header.name}: {key}={name} names another folder; put the file beside the header")
    if "MarkerFile" in named and not header.with_name(named["MarkerFile"]).is_file():
        named["MarkerFile"] = f"{header.stem}.vmrk"
    return [path for path in map(header.with_name, named.values()) if path.is_file()]


def _common_infos(header: Path) -> dict[str, str]:
    """The header's first section, keys in lower case, as MNE-Python parses it; {} where that fails: the reader will say so."""
    with header.open("rb") as opened:
        text = opened.read(HEADER_BYTES + 1)
    if len(text) > HEADER_BYTES:
        raise PlaceError(f"{header.name}: has more than the {HEADER_BYTES} bytes of a header; export it again")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_decoded(text.partition(b"\n")[2]).partition("[Comment]")[0])
    except configparser.Error:
        return {}
    return next((dict(parser[name]) for name in ("Common Infos", "Common infos") if name in parser), {})


def _decoded(text: bytes) -> str:
    """In the code page that the text names, else UTF-8, else Latin-1."""
    named = re.search(rb"Codepage=([^\r\n]+)", text)
    codepage = named.group(1).strip().decode("ascii", "ignore") if named else "utf-8"
    try:
        return text.decode("cp1252" if codepage == "ANSI" else codepage)
    except (UnicodeDecodeError, LookupError):
        return text.decode("latin-1")


def _fif_parts(path: Path) -> list[Path]:
    """What a split FIF file goes on in: s_raw-1.fif, s_raw-2.fif ..., or _split-02_ after _split-01_."""
    found = _counted(path, f"{path.stem}-", path.suffix, 1)
    head, _, number = path.stem.rpartition("-")
    if head and number.isdecimal():  # given from a later part on
        found += _counted(path, f"{head}-", path.suffix, int(number) + 1)
    split = re.search(r"_split-(\d+)_", path.name)
    if split:
        found += _counted(path, path.name[: split.start(1)], path.name[split.end(1) :], int(split[1]) + 1, len(split[1]))
    return found


def _counted(path: Path, head: str, tail: str, first: int, digits: int = 1) -> list[Path]:
    """Files beside `path` called head, number, tail, for numbers from `first` as far as there are any."""
    names = (path.with_name(f"{head}{number:0{digits}d}{tail}") for number in count(first))
    return list(takewhile(Path.is_file, names))
