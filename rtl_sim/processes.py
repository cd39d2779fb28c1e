"""Programs that a simulation starts: none of them outlives it, however it ends."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO


@dataclass(frozen=True)
class Ended:
    """What a program left: its exit code and all it wrote."""

    returncode: int
    output: str
    errors: str


def run_together(commands: Sequence[Sequence[str]]) -> list[Ended]:
    """Run all `commands` at the same time; what each left, in their order. All are ended when this call is interrupted."""
    with ExitStack() as stack:
        files = [(stack.enter_context(TemporaryFile()), stack.enter_context(TemporaryFile())) for _ in commands]
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for command, (output, errors) in zip(commands, files, strict=True):
                processes.append(_start(command, output, errors))
            codes = [process.wait() for process in processes]
        except BaseException:
            for process in processes:
                _end(process)
            raise
        return [Ended(code, _text(output), _text(errors)) for code, (output, errors) in zip(codes, files, strict=True)]


def run_to_log(command: Sequence[str], folder: Path, log: Path, environment: dict[str, str]) -> int:
    """Run `command` in `folder`, its output in `log`; its exit code. It and all it started are ended on an interruption."""
    with log.open("wb") as output:
        process = _start(command, output, subprocess.STDOUT, folder, environment)
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _start(
    command: Sequence[str],
    output: IO[bytes],
    errors: IO[bytes] | int,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=True,  # a group of its own, with everything it starts
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
