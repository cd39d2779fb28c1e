"""BCI Competition IV data set 4 (finger flexion) as features of short windows: ready-made tokens, no voltages.

Source: Schalk et al. 2007, Miller and Schalk 2008. 100 ms windows every 50 ms.
Layout: `X` [blocks, windows, channels, features], `y` [blocks, windows, fingers] mean flexion, `feat` [features],
`fs_windows`, `win_s`.
Split: the last two blocks test. A decoder that starts from voltages refuses this kind with one line.
"""

import numpy as np

from models.datasets.archive import Archive, number
from models.recording import Recording, RecordingError, Session

KIND = "bci4_ecog_features"
TEST_BLOCKS = 2


def matches(found: Archive) -> bool:
    """Named features of windows in blocks."""
    return {"X", "y", "feat", "fs_windows"} <= set(found) and found["X"].ndim == 4


def read(found: Archive, source: str, task: str | None) -> Recording:
    """One session per block: samples are windows, channels (channel, feature), targets flexions. Raises RecordingError."""
    if task not in (None, "flexion"):
        raise RecordingError(f"{source}: task {task!r} is unknown; use flexion")
    blocks, windows, channels, features = found["X"].shape
    if found["feat"].shape != (features,) or found["y"].shape[:2] != (blocks, windows):
        raise RecordingError(f"{source}: X, y and feat do not fit together; save it again")
    none = np.zeros(0, np.int64)
    sessions = tuple(
        Session(
            f"block{i + 1}",
            found["X"][i].reshape(windows, -1).astype(np.float32),
            none,
            none,
            targets=found["y"][i].astype(np.float32),
        )
        for i in range(blocks)
    )
    return Recording(
        source=source,
        kind="features",
        sample_hz=number(found, "fs_windows", source),
        electrodes=tuple(f"{channel + 1}:{name}" for channel in range(channels) for name in found["feat"]),
        label_names=(),
        sessions=sessions,
        decide_s=0.0,
        test_sessions=tuple(session.name for session in sessions[max(1, blocks - TEST_BLOCKS) :]),
    )
