"""Outside programs: missing, too old, failing, interrupted."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from designs.ind_tiny import IND_TINY
from hw.flow import tools
from hw.flow.lint import Lint
from hw.flow.sources import import_closure, source_hash
from hw.flow.tool import MissingTool, Tool, ToolError, WrongInput, run_module, run_tool
from rtl_sim.verilator import VerilatorError


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        (
            Tool("no_such_tool", "the Debian package nothing", version_command=("-version",)),
            "no_such_tool is not installed; install the Debian package nothing or run `make setup`",
        ),
        (
            Tool("no_such_tool", "the Python package nothing", distribution="no-such-distribution"),
            "no_such_tool is not installed; install the Python package nothing or run `make setup`",
        ),
        (
            Tool("pytest", "the Python package pytest", at_least="999.1", distribution="pytest"),
            f"pytest {pytest.__version__} is too old; install the Python package pytest 999.1 or newer",
        ),
        (
            Tool("sh", "the Debian package dash", version_command=("-c", "echo nothing here")),
            "sh does not tell its version; install the Debian package dash again",
        ),
    ],
)
def test_a_tool_that_cannot_be_used_is_named_with_its_package(tool: Tool, message: str) -> None:
    with pytest.raises(MissingTool) as caught:
        tool.version()
    assert str(caught.value) == message


def test_a_program_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    program = tmp_path / "sta"
    program.write_bytes(b"\x7fELF, and then nothing")
    program.chmod(0o755)
    with pytest.raises(MissingTool, match=r"does not start \(Exec format error\); install the Debian package opensta again$"):
        Tool(str(program), "the Debian package opensta", version_command=("-version",)).version()
    with pytest.raises(MissingTool, match=r"^sta does not start \(Exec format error\); run `make setup`$"):
        run_tool([program], tmp_path)


def test_a_verilator_that_cannot_be_used_is_a_missing_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise VerilatorError("verilator: does not start; install perl (Debian package perl) or run `make setup` again")

    monkeypatch.setattr(tools, "verilator_root", refuse)
    with pytest.raises(MissingTool) as caught:
        Lint().require(IND_TINY)
    assert str(caught.value) == "verilator: does not start; install perl (Debian package perl) or run `make setup` again"


def test_a_version_is_read_from_what_the_tool_says() -> None:
    assert Tool("sh", "dash", at_least="2.0", version_command=("-c", "echo tool 2.0.17 built")).version() == "2.0.17"


def test_versions_compare_as_numbers() -> None:
    assert Tool("sh", "dash", at_least="0.9", version_command=("-c", "echo 0.70")).version() == "0.70"


def test_output_is_logged_with_its_command_and_passed_on(tmp_path: Path) -> None:
    lines: list[str] = []
    run_tool(["sh", "-c", "echo one; echo; echo two >&2"], tmp_path, on_line=lines.append)
    assert lines == ["one", "two"]
    assert (tmp_path / "log.txt").read_text() == "$ sh -c echo one; echo; echo two >&2\none\n\ntwo\n"


@pytest.mark.parametrize("command", ["true", "touch netlist.v"])
def test_a_tool_that_leaves_nothing_has_failed(tmp_path: Path, command: str) -> None:
    with pytest.raises(ToolError, match=r"sh ended well but left no netlist\.v"):
        run_tool(["sh", "-c", command], tmp_path, makes=[tmp_path / "netlist.v"])


def test_a_program_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match=r"^no_such_tool is not installed; run `make setup`$"):
        run_tool(["no_such_tool"], tmp_path)


def test_an_interrupted_call_ends_the_tool_and_its_children(tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tool(["sh", "-c", "sleep 300 & echo $!; wait"], tmp_path, on_line=interrupt)
    child = int((tmp_path / "log.txt").read_text().splitlines()[-1])
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    pytest.fail("the tool's child is still running")


def test_wrong_input_of_our_own_command_lines_is_passed_on_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"design 'ind_tin' is unknown: did you mean ind_tiny\?$"):
        run_module("hw.build", ["ind_tin"], tmp_path)


def write_module(root: Path, name: str, text: str) -> None:
    path = root.joinpath(*name.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_result_depends_on_the_modules_its_step_imports_late_or_early(tmp_path: Path) -> None:
    write_module(tmp_path, "hw.one", "from hw import two\nimport numpy")
    write_module(tmp_path, "hw.two", "def late():\n    from hw.three import value")
    write_module(tmp_path, "hw.three", "value = 1")
    write_module(tmp_path, "hw.other", "value = 1")
    assert import_closure(["hw.one"], tmp_path) == ("hw.one", "hw.three", "hw.two")


def test_the_source_hash_follows_imports_and_scripts_only(tmp_path: Path) -> None:
    def hashed(folder: str, three: str, other: str, script: str) -> str:
        root = tmp_path / folder
        write_module(root, "hw.one", "import hw.three")
        write_module(root, "hw.three", three)
        write_module(root, "hw.other", other)
        (root / "run.tcl").write_text(script)
        return source_hash(("hw.one",), ("run.tcl",), root)

    first = hashed("a", "x = 1", "y = 1", "puts 1")
    assert hashed("b", "x = 1", "y = 2", "puts 1") == first
    assert hashed("c", "x = 2", "y = 1", "puts 1") != first
    assert hashed("d", "x = 1", "y = 1", "puts 2") != first


@pytest.mark.parametrize("sign", ["INT", "TERM"])
def test_a_stopped_build_says_that_it_can_go_on(tmp_path: Path, sign: str) -> None:
    command = [sys.executable, "-m", "hw.build", "ind_tiny", "--until", "train", "--out", str(tmp_path / "out")]
    root = Path(__file__).resolve().parents[2]
    build = subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert build.stderr is not None
    while "train" not in (line := build.stderr.readline()):
        assert line, "the build ended before its first step"
    subprocess.run(["kill", f"-{sign}", str(build.pid)], check=True)
    last = build.stderr.read().strip().splitlines()[-1]
    assert last == "stopped; finished steps are kept, the same command goes on from there"
    assert build.wait() == 130
    assert not (tmp_path / "out/train").exists()
