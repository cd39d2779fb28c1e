"""Steps and a display for the tests of the flow: no tool is needed to run them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from rich.console import Console

from designs.metric import Metric
from designs.schema import Design
from hw.flow.artifact import Files, Kind
from hw.flow.display import Display
from hw.flow.step import Result, Step

ran: list[str] = []
"""Names of the steps that really ran, in order."""


@dataclass(frozen=True)
class Export(Step):
    """First step: writes `text`, and whatever `during` does before that."""

    name = "export"
    makes = (Kind.QONNX,)
    specs = ("model",)

    text: str = "graph"
    source: Path | None = None
    during: Callable[[Path], None] | None = None

    def options(self) -> dict[str, str]:
        return {"text": self.text}

    def outside(self, design: Design) -> tuple[Path, ...]:
        return () if self.source is None else (self.source,)

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        ran.append(self.name)
        if self.during is not None:
            self.during(folder)
        (folder / "graph.txt").write_text(self.text)
        return Result({Kind.QONNX: folder / "graph.txt"}, (Metric("export__bytes", len(self.text), "byte", "lower", "test"),))


@dataclass(frozen=True)
class Measure(Step):
    """Second step: reads what the first one made."""

    name = "measure"
    needs = (Kind.QONNX,)
    makes = (Kind.TIMING,)
    specs = ("hardware",)

    during: Callable[[Path], None] | None = None
    failures: tuple[str, ...] = ()

    def options(self) -> dict[str, str]:
        return {}

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        ran.append(self.name)
        if self.during is not None:
            self.during(folder)
        (folder / "timing.json").write_text(json.dumps({"read": files[Kind.QONNX].read_text()}))
        return Result({Kind.TIMING: folder / "timing.json"}, failures=self.failures)


@dataclass(frozen=True)
class Resuming(Export):
    """Counts how often it was started in the same folder."""

    name = "resuming"
    resumes = True

    def run(self, design: Design, files: Files, folder: Path) -> Result:
        state = folder / "state.txt"
        state.write_text((state.read_text() if state.exists() else "") + "x")
        found = super().run(design, files, folder)
        (folder / "graph.txt").write_text(state.read_text())
        return found


def quiet_display() -> Display:
    """A display that writes nowhere."""
    return Display(Console(file=StringIO()))
