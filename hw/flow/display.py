"""What a person sees while a flow runs: one live line per step on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

HEARTBEAT_S = 20.0
"""Without a terminal: how often a step's latest line is printed."""


class Display:
    """Everything goes to stderr: stdout is for results."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, emoji=False)

    @contextmanager
    def running(self, name: str) -> Iterator["StepLine"]:
        """Show that step `name` runs, for as long as the block lasts."""
        if not self.console.is_terminal:
            self.console.print(f"  .... {name}")
            yield StepLine(self.console, name, None)
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.fields[step]:<12}"),
            TimeElapsedColumn(),
            TextColumn("{task.description}", style="dim"),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield StepLine(self.console, name, progress)

    def made(self, name: str, wall_s: float, peak_mib: float, failures: tuple[str, ...]) -> None:
        mark = "[yellow]check[/]" if failures else "[green]done[/] "
        self.console.print(f"  {mark} {name:<12} {wall_s:8.1f} s  {peak_mib:6.0f} MiB")

    def reused(self, name: str, source: str, warnings: Sequence[str] = ()) -> None:
        self.console.print(f"  [dim]kept  {name:<12} {source}[/]")
        for warning in warnings:
            self.line(f"        {warning}", "yellow")

    def line(self, text: str, style: str = "") -> None:
        self.console.print(escape(text), style=style or None, soft_wrap=True)


class StepLine:
    """The text beside a running step; call it with the latest line."""

    def __init__(self, console: Console, name: str, progress: Progress | None) -> None:
        self._console, self._name, self._progress, self._printed = console, name, progress, time.monotonic()
        self.warnings: list[str] = []
        self._task = progress.add_task("", total=None, step=name) if progress is not None else None

    def __call__(self, text: str) -> None:
        if text.lower().startswith("warning:") and text not in self.warnings:
            self.warnings.append(text)
            self._console.print(f"        {escape(text)}", style="yellow", soft_wrap=True)
            return
        latest = escape(" ".join(text.split())[:90])
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=latest)
        elif time.monotonic() - self._printed >= HEARTBEAT_S:
            self._printed = time.monotonic()
            self._console.print(f"       {self._name}: {latest}", soft_wrap=True)
