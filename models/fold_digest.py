"""Which fold this is, by its content: the same samples, cues, targets and test sessions have the same digest."""

import hashlib

import numpy as np

from models.recording import Recording


def fold_digest(fold: Recording) -> str:
    """Of everything in the fold that a result may depend on."""
    found = hashlib.sha256(f"{fold.kind} {fold.sample_hz} {fold.decide_s} {fold.electrodes} {fold.label_names}".encode())
    for session in fold.sessions:
        found.update(f"{session.name} {session.name in fold.test_sessions}".encode())
        for array in (session.samples, session.onset, session.label, session.targets):
            if array is not None:
                found.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
