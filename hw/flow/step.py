"""Step: one tool run with declared files in and files out; what every step of a flow looks like."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import ClassVar

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.tool import Tool, WrongInput

__all__ = ["CheckFailed", "Result", "Step", "WrongInput", "listen", "say"]


class CheckFailed(RuntimeError):
    """A check of the decoder failed and nothing behind it can be trusted: one line, exit code 1.

    `lines`: what the checking program said; `log`: where all of it is.
    """

    def __init__(self, message: str, *, lines: Sequence[str] = (), log: Path | None = None):
        super().__init__(message)
        self.lines, self.log = tuple(lines), log


@dataclass(frozen=True)
class Result:
    """What a step made: one path inside its folder per kind in `makes`, its metrics, and checks that failed without making
    later steps worthless (a missed budget): the flow goes on and the build ends with exit code 1."""

    files: Files
    metrics: tuple[Metric, ...] = ()
    failures: tuple[str, ...] = ()


class Step(ABC):
    """One step of a flow. Subclasses are frozen dataclasses when they have options; the options are their fields.

    A step is run again only if something it depends on changed: the content of its `needs`, `wants` and `outside` files, the
    `specs` of the design, its options, the versions of its `tools`, or the source of its own module and of `programs`, each
    with everything of ours that they import.
    """

    name: ClassVar[str]
    """A verb: "synthesize"; also the name of its folder and of `wall_s__<name>`."""
    needs: ClassVar[tuple[Kind, ...]] = ()
    """Made by earlier steps; the flow is refused without them."""
    wants: ClassVar[tuple[Kind, ...]] = ()
    """Taken if an earlier step made them."""
    makes: ClassVar[tuple[Kind, ...]] = ()
    specs: ClassVar[tuple[str, ...]] = ("tokenizer", "model", "quant", "hardware")
    """Fields of Design that the step looks at."""
    tools: ClassVar[tuple[Tool, ...]] = ()
    programs: ClassVar[tuple[str, ...]] = ()
    """Modules started as subprocesses or imported late, "models.train"."""
    scripts: ClassVar[tuple[str, ...]] = ()
    """Other source files and folders, relative to the repository: Tcl, C++ and the like."""

    resumes: ClassVar[bool] = False
    """Whether `run` can go on in the folder that an interrupted run from the same inputs left."""

    def options(self) -> dict[str, str]:
        """What the step was created with."""
        return {field.name: repr(getattr(self, field.name)) for field in fields(self)} if is_dataclass(self) else {}

    def outside(self, design: Design) -> tuple[Path, ...]:
        """Files from outside the flow (a recording, a Liberty): their content counts as input. Raises WrongInput."""
        return ()

    def require(self, design: Design) -> None:
        """Say in a moment what would stop the step later: a missing tool, process or file. Raises WrongInput, MissingTool."""
        self.outside(design)
        for tool in self.tools:
            tool.version()

    @abstractmethod
    def run(self, design: Design, files: Files, folder: Path) -> Result:
        """Do the work. `files`: absolute paths of `needs` and those `wants` that exist. `folder`: absolute, the step's own,
        empty unless it `resumes`; everything it writes goes there and nothing in it may name the folder: it is renamed.

        Raises WrongInput, CheckFailed, ToolError, MissingTool. Lines said with `say` are shown beside the step's name while it
        runs; those that begin with "warning:" stay on the screen and are shown again when the result is re-used.
        """


_listener: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def say(line: str) -> None:
    """Show `line` as what the running step is doing: progress, never a result."""
    listener = _listener.get()
    if listener is not None:
        listener(line)


def listen(listener: Callable[[str], None] | None) -> None:
    """From now on `say` calls `listener`."""
    _listener.set(listener)
