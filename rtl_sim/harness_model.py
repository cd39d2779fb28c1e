"""The decoder's Verilog and the C++ harness to one executable, built again only when something in it changed."""

import fcntl
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from designs.schema import Design
from hw.plan.taps import Tap
from rtl_sim.verilator import build_model, compiled_for

HARNESS = Path(__file__).with_name("harness.cpp")
MODEL_FLAGS = ("-O3", "-fno-expand", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "-Wno-lint", "-Wno-style")
KNOWN_VERSION = "5.48."
"""Of Verilator, whose models can be evaluated phase by phase; others are evaluated as a whole."""
FLAGS = ("--no-timing", "-CFLAGS", "-std=c++20", "-CFLAGS", "-I..")


@dataclass(frozen=True)
class HarnessTop:
    """What the harness has to know of the Verilog: the module to run, its source files and the taps that can be seen in it."""

    files: tuple[Path, ...]
    taps: tuple[Tap, ...]
    top: str = "ind"
    include_folders: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    """Further Verilator flags, e.g. the waivers that FINN's SystemVerilog needs."""
    load_port: bool = True
    optimise: str = "-O3 -march=native -fno-tree-slp-vectorize"
    """Compiler flags of the model: the default for whole test sets, -O0 where building takes longer than running. Loops become
    vector code, straight lines do not: packing single values costs more than it saves."""


def build_harness(top: HarnessTop, design: Design, folder: Path) -> Path:
    """Executable for `design` in `folder`; VerilatorError names the first error and the log."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        header, control = taps_header(top, design), _control_file(top)
        options = _options(top)
        contents = [header, control, HARNESS.read_text(), top.optimise, *FLAGS, *options, compiled_for()]
        contents += [path.read_text() for path in top.files]
        key = hashlib.sha256("\0".join(contents).encode()).hexdigest()
        executable, built = folder / "model" / "harness", folder / "built"
        if executable.exists() and built.exists() and built.read_text() == key:
            return executable
        built.unlink(missing_ok=True)
        (folder / "taps.h").write_text(header)
        (folder / "taps.vlt").write_text(control)
        sources = [str(path.absolute()) for path in top.files]
        build_model([*options, "taps.vlt", str(HARNESS), *sources], folder, flags=FLAGS, optimise=top.optimise, jobs=2)
        built.write_text(key)
        return executable


def _options(top: HarnessTop) -> list[str]:
    options = ["-o", "harness", "--top-module", top.top, *MODEL_FLAGS]
    options += [f"-I{path.absolute()}" for path in top.include_folders]
    if version("verilator").startswith(KNOWN_VERSION):
        options += ["-CFLAGS", "-DEVALUATE_PHASES"]
    return options + list(top.flags)


def _control_file(top: HarnessTop) -> str:
    """Verilator control file: the taps, and nothing else, can be read from outside."""
    names = [f"tap_{tap.name}_{part}" for tap in top.taps for part in ("payload", "valid")]
    lines = [f'public_flat_rd -module "{top.top}" -var "{name}"' for name in names]
    return "\n".join(["`verilator_config", *lines, ""])


def taps_header(top: HarnessTop, design: Design) -> str:
    """C++ header: the taps in order, how to reach their signals, and the sizes of the design."""
    for tap in top.taps:
        if tap.stream.format.bits > 32:
            raise ValueError(f"{design.name}: tap {tap.name} has {tap.stream.format.bits} bits; the harness compares up to 32")
    names = ", ".join(f'"{tap.name}"' for tap in top.taps)
    formats = [f"{tap.stream.format.bits}, {str(tap.stream.format.signed).lower()}" for tap in top.taps]
    rows = [
        f"    TAP({index}, {tap.name}, {format}, {tap.lanes}, {tap.stride})"
        for index, (tap, format) in enumerate(zip(top.taps, formats, strict=True))
    ]
    load = "#define LOAD(name) top.name" if top.load_port else "static CData no_load_port;\n#define LOAD(name) no_load_port"
    return "\n".join(
        [
            "#pragma once",
            "#include <array>",
            f"static const std::array<const char*, {len(top.taps)}> TAP_NAMES{{{names}}};",
            f"#define TAP_SIGNAL(name) root->{top.top}__DOT__tap_##name",
            " \\\n".join(["#define TAPS", *rows]),
            " | ".join(["#define ANY_TAP 0", *(f"TAP_SIGNAL({tap.name}_valid)" for tap in top.taps)]),
            load,
            f"constexpr unsigned OUTPUTS = {design.model.outputs};",
            f"constexpr unsigned TOKENS = {design.model.tokens};",
            f"constexpr unsigned SAMPLES_PER_TOKEN = {design.tokenizer.token_samples * design.tokenizer.channels};",
            "",
        ]
    )


def without_taps(files: Sequence[Path], top: str = "ind") -> HarnessTop:
    """A top level of which only the ports can be seen, a netlist for instance."""
    return HarnessTop(files=tuple(files), taps=(), top=top)
