"""Running steps: what is re-used, what never is, and what an interrupted or failed step leaves behind."""

import errno
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from designs.ind_tiny import IND_TINY
from designs.metric import read_metrics
from designs.schema import Design
from hw.flow.artifact import Kind
from hw.flow.runner import FlowError, Made, NoSpace, check_flow, run_flow
from hw.flow.step import CheckFailed, Step, WrongInput, say
from hw.flow.tool import ToolError, run_tool
from tests.hw.flow_steps import Export, Measure, Resuming, quiet_display, ran


@pytest.fixture(autouse=True)
def _nothing_ran() -> Iterator[None]:
    ran.clear()
    yield


def build(out: Path, *steps: Step, design: Design = IND_TINY, force: bool = False, others: tuple[Path, ...] = ()) -> Made:
    return run_flow(steps, design, out, quiet_display(), force=force, others=others)


def test_a_second_run_does_nothing_and_gives_the_same(tmp_path: Path) -> None:
    first = build(tmp_path, Export(), Measure())
    second = build(tmp_path, Export(), Measure())
    assert ran == ["export", "measure"]
    assert second == first


def test_a_forced_run_does_everything_again(tmp_path: Path) -> None:
    build(tmp_path, Export(), Measure())
    build(tmp_path, Export(), Measure(), force=True)
    assert ran == ["export", "measure"] * 2


def test_a_changed_option_runs_the_step_and_what_depends_on_its_content(tmp_path: Path) -> None:
    build(tmp_path, Export("one"), Measure())
    build(tmp_path, Export("two"), Measure())
    assert ran == ["export", "measure"] * 2
    assert json.loads((tmp_path / "measure/timing.json").read_text()) == {"read": "two"}


def test_a_change_that_ends_in_the_same_content_stops_there(tmp_path: Path) -> None:
    source = tmp_path / "recording"
    source.write_text("a")
    build(tmp_path / "out", Export(source=source), Measure())
    source.write_text("b")
    build(tmp_path / "out", Export(source=source), Measure())
    assert ran == ["export", "measure", "export"]


def test_only_the_specs_a_step_looks_at_count(tmp_path: Path) -> None:
    build(tmp_path, Export(), Measure())
    faster = replace(IND_TINY, hardware=replace(IND_TINY.hardware, clock_khz=200))
    build(tmp_path, Export(), Measure(), design=faster)
    assert ran == ["export", "measure", "measure"]


def test_an_outside_file_counts_by_content_not_by_place(tmp_path: Path) -> None:
    for name in ("a/recording", "b/recording"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("samples")
    build(tmp_path / "out", Export(source=tmp_path / "a/recording"))
    build(tmp_path / "out", Export(source=tmp_path / "b/recording"))
    assert ran == ["export"]


def test_a_file_somebody_changed_is_made_again(tmp_path: Path) -> None:
    build(tmp_path, Export(), Measure())
    (tmp_path / "export/graph.txt").write_text("edited")
    build(tmp_path, Export(), Measure())
    assert ran == ["export", "measure", "export"]
    assert (tmp_path / "export/graph.txt").read_text() == "graph"


@pytest.mark.parametrize("damage", ["", "{", '{"key": "x"}'])
def test_a_folder_with_a_damaged_record_is_not_trusted(tmp_path: Path, damage: str) -> None:
    build(tmp_path, Export())
    (tmp_path / "export/step.json").write_text(damage)
    build(tmp_path, Export())
    assert ran == ["export", "export"]


def test_the_same_inputs_in_another_build_are_copied(tmp_path: Path) -> None:
    build(tmp_path / "ind_tiny", Export(), Measure())
    made = build(tmp_path / "ind_tiny-osu018", Export(), Measure(), others=(tmp_path / "ind_tiny",))
    assert ran == ["export", "measure"]
    assert made.files[Kind.TIMING] == tmp_path / "ind_tiny-osu018/measure/timing.json"


def _interrupt(folder: Path) -> None:
    (folder / "half.txt").write_text("half")
    raise KeyboardInterrupt


def test_an_interrupted_step_leaves_nothing_that_is_trusted_and_the_next_run_goes_on_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Export(), Measure(during=_interrupt))
    assert not (tmp_path / "measure").exists()
    build(tmp_path, Export(), Measure())
    assert ran == ["export", "measure", "measure"]
    assert not (tmp_path / "measure/half.txt").exists()


def test_a_step_that_resumes_goes_on_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Resuming(during=_interrupt))
    made = build(tmp_path, Resuming())
    assert made.files[Kind.QONNX].read_text() == "xx"


def test_a_step_that_resumes_starts_anew_from_other_inputs(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, Resuming(during=_interrupt))
    assert build(tmp_path, Resuming(text="other")).files[Kind.QONNX].read_text() == "x"


def _fail(folder: Path) -> None:
    run_tool(["sh", "-c", "echo first; echo the last words; exit 3"], folder)


def test_a_failing_tool_shows_its_last_lines_and_keeps_its_log(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="sh ended with code 3") as caught:
        build(tmp_path, Export(), Measure(during=_fail))
    assert caught.value.lines == ("first", "the last words")
    assert caught.value.log == tmp_path / "measure.failed/log.txt"
    assert "the last words" in caught.value.log.read_text()
    build(tmp_path, Export(), Measure())
    assert ran == ["export", "measure", "measure"]
    assert not (tmp_path / "measure.failed").exists()


def _name_the_folder(folder: Path) -> None:
    raise CheckFailed(f"see {folder}/build.log")


def test_an_error_names_its_files_where_they_are_kept(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        build(tmp_path, Export(during=_name_the_folder))
    assert str(caught.value) == f"see {tmp_path}/export.failed/build.log"


def _find_faults(folder: Path) -> None:
    raise CheckFailed("ind_tiny: lint: 2 warnings", lines=["first", "second"], log=folder / "log.txt")


def test_a_failed_check_shows_what_its_tool_said_and_where(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        build(tmp_path, Export(during=_find_faults))
    assert caught.value.lines == ("first", "second")
    assert caught.value.log == tmp_path / "export.failed/log.txt"


def _disk_is_full(folder: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(folder))


def _tool_meets_a_full_disk(folder: Path) -> None:
    run_tool(["sh", "-c", "cat /etc/hostname > /dev/full"], folder)


def _our_command_meets_a_full_disk(folder: Path) -> None:
    raise WrongInput("models.train: [Errno 28] No space left on device")


def _copying_meets_a_full_disk(folder: Path) -> None:
    raise shutil.Error([(str(folder), "there", "[Errno 28] No space left on device: 'there'")])


FULL_DISK = [_disk_is_full, _tool_meets_a_full_disk, _our_command_meets_a_full_disk, _copying_meets_a_full_disk]


@pytest.mark.parametrize("during", FULL_DISK)
def test_a_full_disk_is_one_line(tmp_path: Path, during) -> None:
    with pytest.raises(NoSpace) as caught:
        build(tmp_path, Export(), Measure(during=during))
    assert str(caught.value) == (
        f"{tmp_path} takes no more: no space left on device; make room and run again, finished steps are kept"
    )
    build(tmp_path, Export(), Measure())
    assert ran == ["export", "measure", "measure"]


def test_a_failed_budget_is_told_again_when_the_step_is_reused(tmp_path: Path) -> None:
    late = Measure(failures=("ind_tiny: too late",))
    assert build(tmp_path, Export(), late).failures == ("ind_tiny: too late",)
    assert build(tmp_path, Export(), late).failures == ("ind_tiny: too late",)
    assert ran == ["export", "measure"]


def test_a_warning_is_told_again_when_the_step_is_reused(tmp_path: Path) -> None:
    step = Export(during=lambda folder: say("warning: channel 3 is constant"))
    assert build(tmp_path, step).warnings == ("warning: channel 3 is constant",)
    assert build(tmp_path, step).warnings == ("warning: channel 3 is constant",)
    assert ran == ["export"]


def test_time_and_memory_of_each_step_are_metrics(tmp_path: Path) -> None:
    build(tmp_path, Export(), Measure())
    found = {metric.name: metric for metric in read_metrics(tmp_path / "metrics.json")}
    assert set(found) == {
        "export__bytes",
        *(f"{what}__{step}" for what in ("wall_s", "cpu_s", "peak_memory_mib") for step in ("export", "measure")),
    }
    assert found["peak_memory_mib__export"].value > 1


def test_two_builds_do_not_share_a_folder(tmp_path: Path) -> None:
    def build_again(folder: Path) -> None:
        build(tmp_path, Export())

    with pytest.raises(WrongInput) as caught:
        build(tmp_path, Export(during=build_again))
    assert str(caught.value) == f"another build is running in {tmp_path}; wait for it, or give another folder with --out"


class Undeclared(Measure):
    makes = ()


class Forgetful(Export):
    makes = (Kind.QONNX, Kind.BITSTREAM)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((Measure(),), "flow: step measure needs the QONNX graph, which no earlier step makes"),
        ((Export(), Export()), "flow: step export comes twice"),
        ((Export(), Resuming()), "flow: steps export and resuming both make the QONNX graph"),
    ],
)
def test_a_flow_that_cannot_work_is_refused_before_anything_runs(steps: tuple[Step, ...], message: str) -> None:
    with pytest.raises(FlowError) as caught:
        check_flow(steps)
    assert str(caught.value) == message


def test_a_step_keeps_its_declarations(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="step export ended well but left no bitstream"):
        build(tmp_path, Forgetful())
    with pytest.raises(FlowError, match="step measure made the timing report, which it does not declare"):
        build(tmp_path, Export(), Undeclared())


def test_the_lock_goes_with_the_process(tmp_path: Path) -> None:
    code = (
        "import fcntl, pathlib, sys\n"
        "lock = pathlib.Path(sys.argv[1]).open('w')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "import os; os.kill(os.getpid(), 9)\n"
    )
    subprocess.run(["python3", "-c", code, str(tmp_path / ".lock")], check=False)
    build(tmp_path, Export())
    assert ran == ["export"]
