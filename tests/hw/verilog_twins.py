"""Two modules that should do the same, side by side under Verilator with random inputs."""

import re
import subprocess
from pathlib import Path

from rtl_sim.verilator import run_logged, verilator_environment


def module(body: str, name: str = "small") -> str:
    """A module as Yosys writes it, with the ports that every example has."""
    ports = "clk, rst, en, go, a, b, y, z"
    inputs = "".join(f"  input {port};\n  wire {port};\n" for port in ("clk", "rst", "en", "go"))
    inputs += "".join(f"  input [7:0] {port};\n  wire [7:0] {port};\n" for port in ("a", "b"))
    outputs = "".join(f"  output [7:0] {port};\n" for port in ("y", "z"))
    return f"module {name}({ports});\n{inputs}{outputs}{body}endmodule\n"


BENCH = """\
module bench;
  reg clk = 0, rst = 1, en = 0, go = 0;
  reg [7:0] a = 0, b = 0;
  integer cycle;
{wires}
  initial begin
    for (cycle = 0; cycle < 2000; cycle = cycle + 1) begin
      #1 clk = 1;
      #1 if (cycle > 20) begin
{checks}
      end
      clk = 0;
      rst = cycle < 4 || $urandom_range(40) == 0;
      en = $urandom_range(3) == 0; go = $urandom_range(2) == 0;
      a = 8'($urandom); b = 8'($urandom);
    end
{results}
    $finish;
  end
endmodule
"""


def side_by_side(modules: dict[str, tuple[str, str]]) -> str:
    """Every plain module beside its guarded twin, fed with the same values."""
    wires, checks, results = [], [], []
    for name in modules:
        wires.append(f"  integer {name}_different = 0, {name}_moved = 0;")
        for kind in ("plain", "guarded"):
            wires.append(f"  wire [7:0] {name}_{kind}_y, {name}_{kind}_z;")
            ports = f"clk, rst, en, go, a, b, {name}_{kind}_y, {name}_{kind}_z"
            wires.append(f"  {name}_{kind} {name}_{kind}_unit({ports});")
        pair = [f"{{{name}_{kind}_y, {name}_{kind}_z}}" for kind in ("plain", "guarded")]
        checks.append(f"        if ({pair[0]} !== {pair[1]}) {name}_different = {name}_different + 1;")
        checks.append(f"        if ({pair[0]} != 0) {name}_moved = {name}_moved + 1;")
        results.append(f'    $display("{name} %0d %0d", {name}_different, {name}_moved);')
    bench = BENCH.format(wires="\n".join(wires), checks="\n".join(checks), results="\n".join(results))
    return "\n".join(text for pair in modules.values() for text in pair) + bench


def run_bench(text: str, folder: Path) -> dict[str, tuple[int, int]]:
    """Module -> cycles in which the twins differ, cycles in which the plain one gives anything but 0."""
    (folder / "bench.v").write_text(text)
    command = [
        "verilator",
        "--binary",
        "--timing",
        "-CFLAGS",
        "-std=c++20",
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "--x-initial",
        "fast",
    ]
    command += ["--x-assign", "fast", "--top-module", "bench", "bench.v"]
    run_logged(command, folder, folder / "build.log", verilator_environment(optimise="-O0"))
    done = subprocess.run([folder / "obj_dir" / "Vbench"], capture_output=True, text=True, check=True)
    return {
        name: (int(different), int(moved)) for name, different, moved in re.findall(r"^(\w+) (\d+) (\d+)$", done.stdout, re.M)
    }
