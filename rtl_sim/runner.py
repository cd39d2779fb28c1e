"""Run a block's cocotb testbench under Verilator: `python -m rtl_sim.runner BLOCK`."""

import fcntl
import hashlib
import importlib
import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer
from amaranth.lib import wiring

from hw.rtl.emit import EmitError, component_rtlil, emit_rtlil
from rtl_sim.stalls import STALLS
from rtl_sim.variants import VARIANT, Variants
from rtl_sim.verilator import VerilatorError, build_model, compiled_for, run_logged, verilator_environment

ROOT = Path(__file__).parents[1]
DEFAULT_FOLDER = ROOT / "out" / "rtl_sim"
TOP = "block"
"""Module under test, whatever its block is called."""


class BlockError(ValueError):
    """A block or variant that does not exist; the message names the nearest."""


@dataclass(frozen=True)
class BlockResult:
    """What one testbench run left: tests by name with their failure text (empty: passed), the log, the wave file."""

    block: str
    variant: str
    failures: dict[str, str]
    log: Path
    waves: Path | None

    @property
    def passed(self) -> bool:
        return bool(self.failures) and not any(self.failures.values())


def block_names() -> list[str]:
    """Every block with a testbench."""
    return sorted(path.stem.removeprefix("tb_") for path in Path(__file__).parent.glob("tb_*.py"))


def _known(kind: str, name: str, names: list[str]) -> str:
    if name in names:
        return name
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise BlockError(f"{kind} {name!r} is unknown: {hint}")


def block_variants(name: str) -> Variants:
    """The variants of block `name`; BlockError for an unknown block."""
    return importlib.import_module(f"rtl_sim.tb_{_known('block', name, block_names())}").VARIANTS


def run_block(
    name: str, variant: str, *, waves: bool = False, stall: str = "", folder: Path = DEFAULT_FOLDER, test: str = ""
) -> BlockResult:
    """Build the block's variant, run its testbench, read the results.

    stall: only tests with this pattern; test: only tests whose name holds this. The build under `folder` is used again while
    the block's RTL and the tools stay the same.
    """
    _known(f"{name}: variant", variant, list(block_variants(name)))
    return run_testbench(f"rtl_sim.tb_{name}", variant, waves=waves, stall=stall, folder=folder, test=test)


def run_testbench(
    module: str,
    variant: str,
    *,
    waves: bool = False,
    stall: str = "",
    folder: Path = DEFAULT_FOLDER,
    test: str = "",
    stand_in: wiring.Component | None = None,
    sources: Sequence[Path] = (),
    optimise: str = "-O0",
) -> BlockResult:
    """As `run_block`, for any importable module with `VARIANTS` and cocotb tests.

    stand_in: a component with the ports of the variant, put to the same test, with the Verilog `sources` of the modules it
    instantiates; give it a `folder` of its own. optimise: compiler flags, by default for the quickest build.
    """
    name = module.rpartition(".")[2].removeprefix("tb_")
    variants = importlib.import_module(module).VARIANTS
    build = (folder / name / f"{variant}{'_waves' if waves else ''}").absolute()
    build.mkdir(parents=True, exist_ok=True)
    with _locked(build / "lock"):
        _build(component_rtlil(stand_in or variants[variant](), TOP), build, waves, sources, optimise)
        return _simulate(module, name, variant, build, waves, _test_filter(stall, test))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _test_filter(stall: str, test: str) -> str:
    if stall:
        _known("stall", stall, list(STALLS))
    return ".*".join(part for part in (test, f"stall={stall}(/|$)" if stall else "") if part)


def _build(rtlil_text: str, build: Path, waves: bool, sources: Sequence[Path], optimise: str) -> None:
    """Verilate `rtlil_text` and `sources` in `build`, unless that is what lies there."""
    import cocotb_tools.config as cocotb

    flags = ("--vpi", "--public-flat-rw", "-CFLAGS", "-std=c++20", *(("--trace-vcd", "--trace-structs") if waves else ()))
    options = ["--top-module", TOP, "-o", "simulation", "--timescale", "1ns/1ps", "--x-assign", "fast", "--x-initial", "unique"]
    # Yosys assigns some vectors in slices; Verilator, kept from splitting what is public, takes those for circular
    options += ["-Wno-lint", "-Wno-style", "-Wno-UNOPTFLAT"]
    options += ["-LDFLAGS", f"-Wl,-rpath,{cocotb.libs_dir} -L{cocotb.libs_dir} -lcocotbvpi_verilator"]
    contents = [rtlil_text, optimise, *(path.read_text() for path in sources), *options, *flags, compiled_for()]
    key = hashlib.sha256("\n".join(contents).encode()).hexdigest()
    done = build / "built"
    if done.exists() and done.read_text() == key:
        return
    done.unlink(missing_ok=True)
    emit_rtlil(rtlil_text, TOP, build)
    files = [cocotb.share_dir / "lib" / "verilator" / "verilator.cpp", *(path.absolute() for path in sources), f"{TOP}.v"]
    build_model([*options, *map(str, files)], build, flags=flags, optimise=optimise)
    done.write_text(key)


def _simulate(module: str, name: str, variant: str, build: Path, waves: bool, test_filter: str) -> BlockResult:
    import cocotb_tools.config as cocotb
    import find_libpython

    results, log = build / "results.xml", build / "simulation.log"
    results.unlink(missing_ok=True)
    environment = verilator_environment() | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "PYGPI_PYTHON_BIN": sys.executable,
        "GPI_USERS": f"{find_libpython.find_libpython()};{cocotb.pygpi_entry_point()}",
        "COCOTB_TOPLEVEL": TOP,
        "COCOTB_TEST_MODULES": module,
        "COCOTB_TEST_FILTER": test_filter,
        "COCOTB_RESULTS_FILE": str(results),
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "TOPLEVEL_LANG": "verilog",
        VARIANT: variant,
    }
    if not test_filter:
        del environment["COCOTB_TEST_FILTER"]
    try:
        run_logged(["./model/simulation", *(["--trace"] if waves else [])], build, log, environment)
    except VerilatorError:
        if not results.exists():
            raise
    failures = _read_results(results)
    if not failures:
        raise BlockError(f"{name} {variant}: no test ran (log: {log})")
    return BlockResult(name, variant, failures, log, build / "dump.vcd" if waves else None)


def _read_results(path: Path) -> dict[str, str]:
    """cocotb's results.xml -> test name -> failure text, empty where the test passed."""
    if not path.exists():
        return {}
    found = {}
    for case in ElementTree.parse(path).iter("testcase"):
        bad = [element for kind in ("failure", "error") for element in case.iter(kind)]
        text = (
            " ".join(filter(None, [bad[0].get("error_type"), bad[0].get("error_msg") or bad[0].get("message")])) if bad else ""
        )
        if not case.findall("skipped"):
            found[case.get("name", "?")] = text or ("failed" if bad else "")
    return found


def main(
    block: Annotated[str, typer.Argument(help="block with a testbench rtl_sim/tb_BLOCK.py")],
    variant: Annotated[str, typer.Option(help="only this variant (default: all)")] = "",
    stall: Annotated[str, typer.Option(help=f"only this stall pattern: {', '.join(STALLS)}")] = "",
    test: Annotated[str, typer.Option(help="only tests whose name holds this")] = "",
    waves: Annotated[bool, typer.Option("--waves", help="record waveforms (VCD, for GTKWave or Surfer)")] = False,
    folder: Annotated[Path, typer.Option(help="where builds and results go")] = DEFAULT_FOLDER,
) -> None:
    """Run a block's testbench in every variant and print one line per test.

    Examples:

        python -m rtl_sim.runner requantize

        python -m rtl_sim.runner requantize --variant int8 --stall bursts --waves
    """
    try:
        names = [_known(f"{block}: variant", variant, list(block_variants(block)))] if variant else list(block_variants(block))
        results = [_report(run_block(block, name, waves=waves, stall=stall, test=test, folder=folder)) for name in names]
    except (BlockError, EmitError, VerilatorError) as error:
        typer.echo(f"rtl_sim: {error}", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(0 if all(result.passed for result in results) else 1)


def _report(result: BlockResult) -> BlockResult:
    for name, failure in result.failures.items():
        typer.echo(
            f"{'FAIL' if failure else 'pass'}  {result.block} {result.variant}  {name.rpartition('.')[2]}  {failure}".rstrip()
        )
    if not result.passed:
        typer.echo(f"log: {result.log}")
    if result.waves:
        typer.echo(f"waves: {result.waves}")
    return result


if __name__ == "__main__":
    typer.run(main)
