"""Run the steps of a flow in order, re-use what has not changed, and never trust a half-written folder.

`out/<design>/<step>/` appears by a rename, after everything in it is written, `step.json` last. While a step runs, its folder
is `.<step>.partial`; after a failure it is kept as `<step>.failed`, for its log.
"""

import errno
import fcntl
import json
import os
import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from designs.metric import Metric, read_metrics, write_metrics
from designs.schema import Design
from hw.flow.artifact import Files, Kind, hash_path, hash_text
from hw.flow.display import Display
from hw.flow.peak_memory import PeakMemory
from hw.flow.sources import source_hash
from hw.flow.step import CheckFailed, Result, Step, WrongInput, listen
from hw.flow.tool import ToolError

RECORD = "step.json"
METRICS = "metrics.json"
STARTED = "started.key"
"""In a partial folder: what it was started from."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk, the quota or the largest file allowed (ulimit -f) is full."""


class FlowError(ValueError):
    """A tuple of steps that cannot work: a need that no earlier step makes."""


class NoSpace(RuntimeError):
    """Nothing more can be written: one line, exit code 2."""


@dataclass(frozen=True)
class Made:
    """What one finished step left in its folder."""

    files: Files
    metrics: tuple[Metric, ...]
    failures: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def check_flow(steps: Sequence[Step], given: Sequence[Kind] = (Kind.METRICS,)) -> None:
    """Raise FlowError unless every need is made by an earlier step and no name or kind comes twice."""
    made: dict[Kind, str] = dict.fromkeys(given, "the flow")
    names: set[str] = set()
    for step in steps:
        if step.name in names:
            raise FlowError(f"flow: step {step.name} comes twice")
        names.add(step.name)
        for kind in step.needs:
            if kind not in made:
                raise FlowError(f"flow: step {step.name} needs the {kind.value}, which no earlier step makes")
        for kind in step.makes:
            if kind in made:
                raise FlowError(f"flow: steps {made[kind]} and {step.name} both make the {kind.value}")
            made[kind] = step.name


def run_flow(
    steps: Sequence[Step],
    design: Design,
    out: Path,
    display: Display,
    *,
    force: bool = False,
    others: Sequence[Path] = (),
) -> Made:
    """Run `steps` for `design` in `out`; everything made, all metrics in the order of the steps, all failures.

    `force`: run every step, also those whose result is still good. `others`: folders of other builds; a step that was done
    there from the same inputs is copied. Raises WrongInput, CheckFailed, ToolError, MissingTool,
    NoSpace; steps finished before that are kept for the next run.
    """
    check_flow(steps)
    out.mkdir(parents=True, exist_ok=True)
    files: Files = {}
    metrics: list[Metric] = []
    failures: list[str] = []
    warnings: list[str] = []
    with _only_build_in(out), _space_checked(out):
        for step in steps:
            write_metrics(out / METRICS, metrics)
            files[Kind.METRICS] = out / METRICS
            made = _made_by(step, design, files, out, display, None if force else others)
            files |= made.files
            metrics += made.metrics
            failures += made.failures
            warnings += made.warnings
        write_metrics(out / METRICS, metrics)
    return Made(files, tuple(metrics), tuple(failures), tuple(warnings))


def _made_by(step: Step, design: Design, files: Files, out: Path, display: Display, others: Sequence[Path] | None) -> Made:
    """The step's result, from `out`, from one of `others`, or by running it; `others` None: by running it."""
    given = {kind: files[kind] for kind in (*step.needs, *step.wants) if kind in files}
    inputs = input_hashes(step, design, given)
    key = hash_text(f"{name}: {value}" for name, value in sorted(inputs.items()))
    folder = out / step.name
    if others is not None:
        for candidate in (folder, *(other / step.name for other in others)):
            made = _still_good(candidate, step, key)
            if made is None:
                continue
            if candidate != folder:
                _copy_step(candidate, folder)
                made = _still_good(folder, step, key)
            if made is not None:
                source = "unchanged" if candidate == folder else f"same inputs in {candidate.parent.name}"
                display.reused(step.name, source, made.warnings)
                return made
    return _run(step, design, given, folder, display, key, inputs)


def input_hashes(step: Step, design: Design, given: Files) -> dict[str, str]:
    """Everything the result of `step` depends on, by name, as hashes, versions and values."""
    found = {"design": design.name}
    found |= {f"design.{name}": repr(getattr(design, name)) for name in step.specs}
    found |= {f"option {name}": value for name, value in step.options().items()}
    found |= {f"file {kind.name}": hash_path(path) for kind, path in given.items()}
    for path in step.outside(design):  # the same name in several folders: in their order
        found[f"outside {path.name}"] = " ".join([*found.get(f"outside {path.name}", "").split(), hash_path(path)])
    found |= {f"tool {tool.command}": tool.version() for tool in step.tools}
    found["sources"] = source_hash((type(step).__module__, *step.programs), step.scripts)
    return found


def _still_good(folder: Path, step: Step, key: str) -> Made | None:
    """What is in `folder` if `step` made it from the same inputs and nobody changed it since; else None."""
    try:
        record = json.loads((folder / RECORD).read_text())
        if record["key"] != key or set(record["files"]) != {kind.name for kind in step.makes}:
            return None
        files = {Kind[name]: folder / entry["path"] for name, entry in record["files"].items()}
        if any(hash_path(files[Kind[name]]) != entry["hash"] for name, entry in record["files"].items()):
            return None
        return Made(files, read_metrics(folder / METRICS), tuple(record["failures"]), tuple(record["warnings"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run(step: Step, design: Design, given: Files, folder: Path, display: Display, key: str, inputs: dict[str, str]) -> Made:
    partial = folder.with_name(f".{folder.name}.partial")
    failed = folder.with_name(f"{folder.name}.failed")
    shutil.rmtree(failed, ignore_errors=True)
    started_with = partial / STARTED
    if not (step.resumes and started_with.is_file() and started_with.read_text() == key):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        started_with.write_text(key)
    started, cpu_started = time.monotonic(), _cpu_s()
    with display.running(step.name) as line, PeakMemory() as peak:
        listen(line)
        try:
            result = step.run(design, given, partial)
        except Exception as error:
            partial.replace(failed)
            _point_to(failed, partial, error)
            raise
        finally:
            listen(None)
    wall_s = time.monotonic() - started
    measured = (
        Metric(f"wall_s__{step.name}", round(wall_s, 2), "s", "none", "measured while the step ran"),
        Metric(f"cpu_s__{step.name}", round(_cpu_s() - cpu_started, 2), "s", "none", "processor time of all its processes"),
        Metric(f"peak_memory_mib__{step.name}", round(peak.mib, 1), "MiB", "none", "resident memory of all processes, sampled"),
    )
    _check_made(step, result)
    ours = {metric.name for metric in measured}  # a program's own idea of its time leaves out starting it
    metrics = (*(metric for metric in result.metrics if metric.name not in ours), *measured)
    write_metrics(partial / METRICS, metrics)
    record = {
        "step": step.name,
        "key": key,
        "inputs": inputs,
        "files": {
            kind.name: {"path": path.relative_to(partial).as_posix(), "hash": hash_path(path)}
            for kind, path in result.files.items()
        },
        "failures": list(result.failures),
        "warnings": line.warnings,
    }
    started_with.unlink(missing_ok=True)
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    display.made(step.name, wall_s, peak.mib, result.failures)
    files = {kind: folder / path.relative_to(partial) for kind, path in result.files.items()}
    return Made(files, metrics, result.failures, tuple(line.warnings))


def _cpu_s() -> float:
    """Processor time of this process and of all it has waited for."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in found)


def _point_to(failed: Path, partial: Path, error: Exception) -> None:
    """The folder was renamed: make the error name its files where they are now."""
    error.args = tuple(arg.replace(str(partial), str(failed)) if isinstance(arg, str) else arg for arg in error.args)
    if isinstance(error, ToolError | CheckFailed) and error.log is not None and error.log.is_relative_to(partial):
        error.log = failed / error.log.relative_to(partial)


def _check_made(step: Step, result: Result) -> None:
    for kind in step.makes:
        if kind not in result.files or not result.files[kind].exists():
            raise ToolError(f"step {step.name} ended well but left no {kind.value}")
    for kind in result.files:
        if kind not in step.makes:
            raise FlowError(f"flow: step {step.name} made the {kind.value}, which it does not declare")


def _copy_step(source: Path, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


@contextmanager
def _only_build_in(out: Path) -> Iterator[None]:
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WrongInput(f"another build is running in {out}; wait for it, or give another folder with --out") from None
        yield


@contextmanager
def _space_checked(out: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ToolError, WrongInput) as error:
        # what a subprocess or shutil.copytree met is known by its words alone
        said = "\n".join([str(error), *(error.lines if isinstance(error, ToolError) else ())])
        met = next((os.strerror(number) for number in FULL if os.strerror(number) in said), None)
        if met is None:
            raise
        raise NoSpace(f"{out} takes no more: {met.lower()}; make room and run again, finished steps are kept") from error
