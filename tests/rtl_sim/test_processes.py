"""Programs that a simulation starts: what they leave, and that none outlives an interruption."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from rtl_sim.processes import Ended, run_together
from rtl_sim.verilator import VerilatorError, compiled_for, processor, run_logged

ROOT = Path(__file__).resolve().parents[2]


def test_programs_run_together_and_keep_their_order() -> None:
    commands = [["sh", "-c", "sleep 0.2; echo one"], ["sh", "-c", "echo two >&2; exit 3"]]
    assert run_together(commands) == [Ended(0, "one\n", ""), Ended(3, "", "two\n")]


TOGETHER = "from rtl_sim.processes import run_together; run_together([['sh', '-c', {0!r}]] * 2)"
TO_LOG = "import os; from pathlib import Path; from rtl_sim.verilator import run_logged; " + (
    "run_logged(['sh', '-c', {0!r}], Path({1!r}), Path({1!r}) / 'log', dict(os.environ))"
)


@pytest.mark.parametrize("program", [TOGETHER, TO_LOG])
def test_a_stopped_simulation_ends_all_it_started(tmp_path: Path, program: str) -> None:
    shell = f"sleep 300 & echo $! >> {tmp_path}/children; wait"
    stoppable = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); "
    command = [sys.executable, "-c", stoppable + program.format(shell, str(tmp_path))]
    expected = 2 if program is TOGETHER else 1
    running = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    children: list[int] = []
    while len(children) < expected:
        assert running.poll() is None, "ended before it was stopped"
        time.sleep(0.05)
        listed = tmp_path / "children"
        children = [int(line) for line in listed.read_text().split()] if listed.exists() else []
    running.terminate()
    assert running.wait() == 1
    assert not [child for child in children if _runs(child)]


def _runs(number: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.05)
    return True


def test_compiled_models_are_of_one_compiler_and_processor(tmp_path: Path) -> None:
    for name, flags in (("old", "sse2"), ("new", "sse2 avx512f")):
        core = f"processor : {{}}\nmodel name : some processor\nflags : {flags}\ncpu MHz : {{}}00\n"
        (tmp_path / name).write_text(core.format(0, 24) + core.format(1, 31))
    assert processor(tmp_path / "old") != processor(tmp_path / "new")
    assert "MHz" not in processor(tmp_path / "old")
    compiler = subprocess.run(["c++", "--version"], capture_output=True, text=True, check=True).stdout
    assert compiler in compiled_for() and processor() in compiled_for()


def test_a_refused_input_shows_the_first_errors_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(VerilatorError) as caught:
        run_logged(["sh", "-c", "echo reading; echo %Error: no; exit 1"], tmp_path, tmp_path / "log", dict(os.environ))
    assert str(caught.value) == f"sh: %Error: no (exit code 1; log: {tmp_path}/log)"
    assert caught.value.lines == ("%Error: no",)
