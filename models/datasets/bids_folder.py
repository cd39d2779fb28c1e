"""One subject of a BIDS folder of EEG or intracranial EEG, through mne-bids; `trial_type` of its events are the labels.

Source and licence: `dataset_description.json` of the folder. BIDS: Gorgolewski et al. 2016, Pernet et al. 2019; mne-bids:
Appelhoff et al. 2019 (BSD-3-Clause).
Task: the subject's label, and behind `/` what models.datasets.mne_files takes: `01/left+right@4`; the first subject by default.
A session is one file, named after its entities. Split: models.splits' default, the last one.
"""

import warnings
from pathlib import Path

import mne_bids

from designs.recording_files import bids_subject, bids_subjects
from models.datasets.mne_files import recording_of
from models.recording import Recording, RecordingError

KIND = "BIDS"
EXTENSIONS = [".edf", ".bdf", ".vhdr", ".set", ".fif"]


def tasks(path: Path) -> list[str]:
    """The folder's subjects."""
    return bids_subjects(path)


def read(path: Path, task: str | None) -> Recording:
    """Every file of one subject. Raises RecordingError, or whatever mne-bids says of a damaged folder."""
    subjects = tasks(path)
    subject, labels = bids_subject(path, task), (task or "").partition("/")[2]
    if subject not in subjects:
        raise RecordingError(f"{path.name}: has no subject {subject!r}; use one of {', '.join(subjects[:12]) or 'none it has'}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = mne_bids.find_matching_paths(path, subjects=subject, datatypes=["eeg", "ieeg"], extensions=EXTENSIONS)
        files = sorted((each for each in found if each.suffix in ("eeg", "ieeg")), key=lambda each: each.basename)
        if not files:
            raise RecordingError(f"{path.name}: subject {subject} has no EEG or iEEG file; use another subject")
        raws = [
            (each.basename.removeprefix(f"sub-{subject}_"), mne_bids.read_raw_bids(each, verbose="ERROR")) for each in files
        ]
        for _, raw in raws:
            raw.load_data(verbose="ERROR")
    return recording_of(raws, f"{path.name} subject {subject}", labels or None)
