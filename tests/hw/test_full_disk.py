"""A disk that really runs full, and files that may not grow: one line, exit code 2, and the next run goes on from there."""

import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from designs.decoding_set import DecodingSet

ROOT = Path(__file__).resolve().parents[2]
ONE_LINE = re.compile(
    r"(?P<out>\S+) (takes no more: (no space left on device|file too large); make room and run again, finished steps are kept"
    r"|cannot be written \(File too large\); give another folder with --out)"
)
MOUNT = "mount -t tmpfs -o size={size} tmpfs {disk}"


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """Noise that ind_tiny takes, in three sessions: training on it is a matter of seconds."""
    rng = np.random.default_rng(1)
    cues = np.concatenate([np.linspace(200, 23_000, 20).astype(int) + start for start in (0, 24_000, 48_000)])
    path = tmp_path_factory.mktemp("recording") / "noise.npz"
    labels = np.array(["one", "two", "three", "four"])[np.arange(len(cues)) % 4]
    samples, starts = rng.normal(0, 20, (72_000, 4)).astype(np.float32), np.array([0, 24_000, 48_000])
    np.savez(path, samples=samples, sample_hz=600.0, event_sample=cues, event_label=labels, session_start=starts)
    return path


def command(recording: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "hw.build", "ind_tiny", "--recording", str(recording), "--until", "train", "--out", str(out)]


def run(command: list[str], limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, preexec_fn=limit, capture_output=True, text=True)


def assert_refused(done: subprocess.CompletedProcess, out: Path) -> None:
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    found = ONE_LINE.fullmatch(last)
    assert found and found["out"] == str(out), done.stderr
    assert "Traceback" not in done.stderr


def assert_complete(done: subprocess.CompletedProcess, out: Path) -> None:
    assert done.returncode == 0, done.stderr
    assert len(DecodingSet.load(out / "train" / "decoding_set.npz").streams) == 3
    assert sorted(path.name for path in out.iterdir() if path.name.endswith((".partial", ".failed"))) == []


@pytest.mark.train
def test_files_that_may_not_grow_are_one_line_and_the_next_run_goes_on(tmp_path: Path, recording: Path) -> None:
    out = tmp_path / "out"
    for file_bytes in (64, 100_000):  # in the first file at all, and in the first large one, written by a subprocess
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
        assert_refused(run(command(recording, out), limit), out)
        assert not (out / "train").exists()
    assert_complete(run(command(recording, out)), out)


@pytest.mark.train
def test_a_full_disk_is_one_line_and_the_next_run_goes_on(tmp_path: Path, recording: Path) -> None:
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    disk.mkdir()
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if shutil.which("unshare") is None or run([*namespace, MOUNT.format(size="64k", disk=disk)]).returncode:
        pytest.skip("no small disk can be mounted here (unshare --user --mount refuses)")
    build = " ".join(command(recording, disk / "out"))
    script = f"""
        {MOUNT.format(size="256k", disk=disk)}
        code=0; {build} 2> {tmp_path}/first.txt || code=$?
        echo $code
        test ! -e {disk}/out/train
        mount -o remount,size=64m {disk}
        code=0; {build} 2> {tmp_path}/second.txt || code=$?
        echo $code
        cp -r {disk}/out {kept}
    """
    done = run([*namespace, script])
    first, second = (int(line) for line in done.stdout.split())
    assert_refused(subprocess.CompletedProcess([], first, "", (tmp_path / "first.txt").read_text()), disk / "out")
    assert_complete(subprocess.CompletedProcess([], second, "", (tmp_path / "second.txt").read_text()), kept)
