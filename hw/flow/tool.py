"""Outside programs: is it there, is its version right, run it with a log, and check what it left behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LOG = "log.txt"
LAST_LINES = 12
WRONG_INPUT = 2
"""Exit code of every command line here for wrong use or input; the last line says what and what to do."""


class WrongInput(ValueError):
    """What the user gave cannot be used: one line, exit code 2."""


class MissingTool(RuntimeError):
    """A program that is not installed, or in a version that does not work: one line naming its package, exit code 2."""


class ToolError(RuntimeError):
    """A program that failed or left nothing behind. `lines`: its last output; `log`: where all of it is."""

    def __init__(self, message: str, *, lines: Sequence[str] = (), log: Path | None = None, returncode: int | None = None):
        super().__init__(message)
        self.lines, self.log, self.returncode = tuple(lines), log, returncode


@dataclass(frozen=True)
class Tool:
    """A program and the package that brings it. `distribution`: its PyPI name, whose metadata gives the version; without
    one, `version_command` is run and `version_pattern`'s first group is the version. `at_least`: oldest version that works."""

    command: str
    package: str
    at_least: str = "0"
    distribution: str | None = None
    version_command: tuple[str, ...] = ()
    version_pattern: str = r"(\d+(?:\.\d+)+)"

    def version(self) -> str:
        """The installed version. Raises MissingTool when there is none or it is too old."""
        return _version_of(self)

    def path(self) -> str:
        """Absolute path of the program: beside the running Python first, then on PATH. Raises MissingTool."""
        beside = Path(sys.executable).parent / self.command
        found = str(beside) if beside.exists() else shutil.which(self.command)
        if found is None:
            raise MissingTool(f"{self.command} is not installed; install {self.package} or run `make setup`")
        return found


@cache
def _version_of(tool: Tool) -> str:
    if tool.distribution is not None:
        try:
            found = version(tool.distribution)
        except PackageNotFoundError:
            raise MissingTool(f"{tool.command} is not installed; install {tool.package} or run `make setup`") from None
    else:
        command = [tool.path(), *tool.version_command]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        except OSError as error:
            raise MissingTool(f"{tool.command} does not start ({error.strerror}); install {tool.package} again") from error
        match = re.search(tool.version_pattern, answer.stdout + answer.stderr)
        if match is None:
            raise MissingTool(f"{tool.command} does not tell its version; install {tool.package} again")
        found = match.group(1)
    if _numbers(found) < _numbers(tool.at_least):
        raise MissingTool(f"{tool.command} {found} is too old; install {tool.package} {tool.at_least} or newer")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def run_tool(
    command: Sequence[str | Path],
    folder: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    makes: Sequence[Path] = (),
    on_line: Callable[[str], None] | None = None,
    log: str = LOG,
    accept: Sequence[int] = (0,),
) -> int:
    """Run `command` in `cwd` (default `folder`), its output appended to `folder/log`; each line also goes to `on_line`.

    `env` is added to the environment. Raises ToolError if the return code is not in `accept` or one of `makes` is missing or
    empty afterwards. The program and all it started are ended when this call is interrupted. Returns the return code.
    """
    name, lines, log_path = Path(str(command[0])).name, [""], folder / log
    with log_path.open("a") as kept:
        kept.write("$ " + " ".join(str(part) for part in command) + "\n")
        kept.flush()
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd or folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError:
            raise MissingTool(f"{name} is not installed; run `make setup`") from None
        except OSError as error:
            raise MissingTool(f"{name} does not start ({error.strerror}); run `make setup`") from error
        try:
            assert process.stdout is not None
            for line in process.stdout:
                kept.write(line)
                lines = [*lines[-LAST_LINES:], line.rstrip()]
                if on_line is not None and line.strip():
                    on_line(line.strip())
            returncode = process.wait()
        except BaseException:
            _end(process)
            raise
    last = [line for line in lines if line][-LAST_LINES:]
    if returncode not in accept:
        raise ToolError(f"{name} ended with code {returncode}", lines=last, log=log_path, returncode=returncode)
    for path in makes:
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            raise ToolError(f"{name} ended well but left no {path.name}", lines=last, log=log_path, returncode=returncode)
    return returncode


def run_module(
    module: str,
    arguments: Sequence[str | Path],
    folder: Path,
    *,
    makes: Sequence[Path] = (),
    on_line: Callable[[str], None] | None = None,
) -> None:
    """`python -m module arguments` from the repository root: the other side of the project, met on disk only.

    All command lines here end with 0, or with 1 when a check failed (ToolError), or with 2 and one line on wrong input
    (WrongInput with that line).
    """
    command = [sys.executable, "-m", module, *arguments]
    env = {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1", "COLUMNS": "128"}
    try:
        run_tool(command, folder, cwd=REPOSITORY, env=env, makes=makes, on_line=on_line)
    except ToolError as error:
        if error.returncode == WRONG_INPUT and error.lines:
            raise WrongInput(error.lines[-1]) from None
        message = str(error).replace(Path(sys.executable).name, module, 1)
        raise ToolError(message, lines=error.lines, log=error.log, returncode=error.returncode) from None


def _end(process: "subprocess.Popen[str]") -> None:
    for sign, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience_s)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
