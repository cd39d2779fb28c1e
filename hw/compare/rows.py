"""Rows of the comparison: each a build of hw.build, or the multiply-adds in binary32 behind one."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from designs.catalogue import CATALOGUE, find_design
from designs.metric import Metric
from hw.build import silicon_flow, until_step
from hw.flow.display import Display
from hw.flow.float_reference import FloatReference
from hw.flow.out_folder import claim, folder_name, other_builds
from hw.flow.runner import run_flow
from hw.flow.tool import REPOSITORY, WrongInput
from hw.flow.train import Train
from hw.report.compare import of_steps

GOOD, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
EEG = ("eeg_int4", "eeg_mixed_int4")
"""Designs that no generated recording serves."""


@dataclass(frozen=True)
class Row:
    """One build: a named design, and options of `python -m hw.build` that make it a reference of that design."""

    design: str
    options: tuple[str, ...] = ()
    floats: bool = False
    """Whether its multiply-adds are measured in binary32 as well."""

    @property
    def name(self) -> str:
        """ "ind_int4", "ind_int4 --backend finn"."""
        return " ".join((self.design, *self.options))

    @property
    def is_reference(self) -> bool:
        return bool(self.options)


REGISTERS = ("--target", "ihp_sg13g2_registers")
ROWS = (
    Row("ind_tiny", floats=True),
    Row("ind_tiny", ("--backend", "amaranth")),
    Row("ind_tiny", ("--backend", "finn")),
    Row("ind_tiny", REGISTERS),
    Row("ind_int4", floats=True),
    Row("ind_int4", ("--backend", "amaranth")),
    Row("ind_int4", ("--backend", "finn")),
    Row("ind_stream_int4"),
    Row("ind_int8", floats=True),
    Row("ind_int8_64ch"),
    Row("eeg_int4"),
    Row("eeg_mixed_int4"),
    Row("spikes_int4"),
)
"""ind_int4 with its memories in registers is no row: 180 thousand flip-flops, not tried."""


def chosen_rows(designs: Sequence[str], eeg_recording: Path | None) -> tuple[list[Row], list[str]]:
    """(rows to build, why others are left out). DesignError for a name that is neither in the catalogue nor a row's."""
    for name in designs:
        if name not in {row.design for row in ROWS}:
            find_design(name)
            known = ", ".join(dict.fromkeys(row.design for row in ROWS))
            raise WrongInput(f"--designs {name}: is in no row; the rows are of {known}")
    rows, left_out = [], []
    for row in ROWS:
        if designs and row.design not in designs:
            continue
        if row.design not in CATALOGUE:
            left_out.append(f"{row.name}: is not in the catalogue")
        elif row.design in EEG and eeg_recording is None:
            left_out.append(f"{row.name}: needs a recording; give it with --eeg-recording")
        else:
            rows.append(row)
    return rows, left_out


def build(row: Row, eeg_recording: Path | None) -> tuple[int, tuple[Metric, ...]]:
    """`python -m hw.build` of the row, in its usual folder: (exit code, metrics); metrics are empty where it made none."""
    recording = ("--recording", str(eeg_recording)) if row.design in EEG and eeg_recording is not None else ()
    command = [sys.executable, "-m", "hw.build", row.design, *row.options, *recording, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            answer, _ = running.communicate()
        except BaseException:
            running.terminate()
            running.wait()
            raise
    if running.returncode == INTERRUPTED:
        raise KeyboardInterrupt
    found = json.loads(answer) if answer.strip() else []
    return running.returncode, tuple(Metric(**entry) for entry in found)


def measure_floats(row: Row, display: Display) -> tuple[Metric, ...]:
    """The metrics of FloatReference; everything before it is taken from the row's own build."""
    design = find_design(row.design)
    folder = (Path("out") / f"{folder_name(design.name, {})}-float_reference").resolve()
    claim(folder, design.name, {"reference": FloatReference.name})
    steps = (*until_step(silicon_flow(Train()), "power"), FloatReference())
    made = run_flow(steps, design, folder, display, others=other_builds(folder))
    return of_steps(made.metrics, [FloatReference.name])
