"""Recordings that took long to read are kept by content, task and reader, and never read wrongly."""

import numpy as np
import pytest

from models.datasets import cache
from models.datasets.cache import cached
from models.recording import Recording, Session

READER = "models.datasets.bci4_ecog_mat"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("IND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def course() -> Recording:
    none, samples = np.zeros(0, np.int64), np.arange(12, dtype=np.float32).reshape(4, 3)
    targets = np.full((4, 2), np.nan, np.float32)
    return Recording("s.mat", "voltage", 1000.0, ("A", "B", "C"), (), (Session("train", samples, none, none, targets),), 0.0)


class Reads:
    """Gives a recording and counts how often."""

    def __init__(self, recording):
        self.recording, self.times = recording, 0

    def __call__(self):
        self.times += 1
        return self.recording


def same(some: Recording, other: Recording) -> bool:
    fields = all(getattr(some, field) == getattr(other, field) for field in cache.FIELDS)
    pairs = zip(some.sessions, other.sessions, strict=True)
    return fields and all(_same_session(a, b) for a, b in pairs)


def _same_session(some: Session, other: Session) -> bool:
    arrays = zip([some.samples, some.onset, some.label], [other.samples, other.onset, other.label], strict=True)
    targets = (some.targets is None) == (other.targets is None)
    known = some.targets is None or np.array_equal(some.targets, other.targets, equal_nan=True)
    return some.name == other.name and targets and known and all(np.array_equal(a, b) for a, b in arrays)


def test_a_recording_is_read_once(tmp_path, folder, course, recording):
    for number, kept in enumerate((course, recording)):
        (tmp_path / f"{number}.mat").write_bytes(b"content")
        reads = Reads(kept)
        first, second = (cached(tmp_path / f"{number}.mat", None, READER, reads) for _ in range(2))
        assert reads.times == 1
        assert same(first, kept) and same(second, kept)


def test_other_content_another_task_and_another_reader_are_read_anew(tmp_path, folder, course):
    path, reads = tmp_path / "s.mat", Reads(course)
    path.write_bytes(b"content")
    cached(path, None, READER, reads)
    cached(path, "flexion", READER, reads)
    cached(path, None, "models.datasets.nwb_files", reads)
    path.write_bytes(b"contents")
    cached(path, None, READER, reads)
    (tmp_path / "s_comp.mat").write_bytes(b"contents")
    cached(tmp_path / "s_comp.mat", None, READER, reads)
    (tmp_path / "s_testlabels.mat").write_bytes(b"labels")
    cached(path, None, READER, reads)
    assert reads.times == 5
    cached(tmp_path / "s_comp.mat", None, READER, reads)
    assert reads.times == 6


def test_a_damaged_entry_is_read_anew(tmp_path, folder, course):
    path, reads = tmp_path / "s.mat", Reads(course)
    path.write_bytes(b"content")
    cached(path, None, READER, reads)
    (entry,) = folder.glob("*.npz")
    entry.write_bytes(entry.read_bytes()[:200])
    assert same(cached(path, None, READER, reads), course)
    assert reads.times == 2
    assert same(cached(path, None, READER, reads), course)
    assert reads.times == 2


def test_an_empty_variable_keeps_nothing(tmp_path, folder, course, monkeypatch):
    monkeypatch.setenv("IND_CACHE", "")
    path, reads = tmp_path / "s.mat", Reads(course)
    path.write_bytes(b"content")
    cached(path, None, READER, reads)
    cached(path, None, READER, reads)
    assert reads.times == 2
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, course, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IND_CACHE", str(tmp_path / "file" / "cache"))
    path = tmp_path / "s.mat"
    path.write_bytes(b"content")
    assert same(cached(path, None, READER, Reads(course)), course)
