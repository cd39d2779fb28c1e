"""Small recordings that several tests share; test support modules of this folder are imported by name."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from designs.ind_tiny import IND_TINY
from models.recording import Recording, Session

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks this small only wait for each other on several threads."""
    torch.set_num_threads(1)


def noise_session(name: str, samples: int, channels: int, cues: int, classes: int, seed: int) -> Session:
    """White noise with evenly spaced cues of all classes in turn."""
    rng = np.random.default_rng(seed)
    onset = np.linspace(200, samples - 900, cues).astype(np.int64)
    return Session(name, rng.normal(0, 20, (samples, channels)).astype(np.float32), onset, np.arange(cues) % classes)


@pytest.fixture
def recording() -> Recording:
    """Two training sessions and a test session that ind_tiny takes."""
    spec = IND_TINY.tokenizer
    sessions = tuple(noise_session(f"day{i}", 24_000, spec.channels, 20, 4, seed=i) for i in (1, 2, 3))
    return Recording(
        source="noise",
        kind="voltage",
        sample_hz=600.0,
        electrodes=("A", "B", "C", "D"),
        label_names=("one", "two", "three", "four"),
        sessions=sessions,
        decide_s=0.8,
        test_sessions=("day3",),
    )


@pytest.fixture
def with_samples(recording: Recording):
    """Make the recording anew with other samples in its first session."""

    def make(samples: np.ndarray) -> Recording:
        first = replace(recording.sessions[0], samples=samples)
        return replace(recording, sessions=(first, *recording.sessions[1:]))

    return make
