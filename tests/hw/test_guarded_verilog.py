"""Guarded Verilog computes what the plain one computes, and nothing that nobody looks at."""

import re
from pathlib import Path

import pytest

from designs.number_format import INT8, IntFormat
from hw.plan.taps import taps
from hw.rtl.emit import EmitError, emit, emit_component, emit_guarded
from hw.rtl.guarded_verilog import GUARDS_MAX, GuardError, guarded_verilog
from hw.rtl.requantize import Requantize
from rtl_sim.backends import with_backend
from rtl_sim.harness import simulate
from rtl_sim.harness_model import HarnessTop
from rtl_sim.random_parameters import random_parameters, random_samples
from tests.hw.verilog_twins import module, run_bench, side_by_side

REGISTERS = "  reg [7:0] y;\n  reg [7:0] z;\n"
ENABLED = (
    REGISTERS
    + """\
  wire [7:0] total;
  assign total = a + b;
  always @(posedge clk)
    if (en) y <= total;
  always @(posedge clk)
    z <= a;
"""
)
RESET = (
    REGISTERS
    + """\
  wire [7:0] total;
  wire [7:0] twice;
  assign total = a + b;
  assign twice = total + total;
  always @(posedge clk)
    if (rst) y <= 8'h00;
    else if (en) y <= twice;
  always @(posedge clk)
    if (rst) z <= 8'h00;
    else z <= z + 8'h01;
"""
)
ENABLED_RESET = (
    REGISTERS
    + """\
  wire [7:0] total;
  wire [7:0] other;
  assign total = a - b;
  assign other = a ^ b;
  always @(posedge clk)
    if (en)
      if (rst) y <= 8'h00;
      else y <= total;
  always @(posedge clk)
    if (go) z <= 8'h01;
    else if (en) z <= other;
"""
)
ALTERNATIVES = (
    REGISTERS
    + """\
  wire [7:0] sum;
  wire [7:0] product;
  assign sum = a + b;
  assign product = a * b;
  always @(posedge clk)
    if (en) y <= sum;
    else y <= product;
  always @(posedge clk)
    if (!en) z <= product;
"""
)
SHARED = (
    REGISTERS
    + """\
  wire [7:0] both;
  wire [7:0] one;
  wire [7:0] two;
  assign one = both ^ 8'h5a;
  assign two = both - b;
  assign both = a * b;
  always @(posedge clk)
    if (en) y <= one;
  always @(posedge clk)
    if (rst) z <= 8'h00;
    else if (go) z <= two;
"""
)
CONDITION = (
    REGISTERS
    + """\
  wire [7:0] difference;
  wire [7:0] wanted;
  wire less;
  assign wanted = difference ^ a;
  assign less = difference[7];
  assign difference = a - b;
  always @(posedge clk)
    if (less) y <= wanted;
  always @(posedge clk)
    if (en) z <= difference;
"""
)
FUNCTION = (
    REGISTERS
    + """\
  wire [7:0] picked;
  wire [7:0] unlike;
  function [7:0] pick;
    input [7:0] a;
    input [15:0] b;
    input [1:0] s;
    casez (s) // synopsys parallel_case
      2'b?1:
        pick = b[7:0];
      2'b1?:
        pick = b[15:8];
      default:
        pick = a;
    endcase
  endfunction
  assign picked = pick(a, { unlike, b }, { a[0], ~ a[0] });
  assign unlike = ~ a;
  always @(posedge clk)
    if (go) y <= picked;
  always @(posedge clk)
    z <= y;
"""
)
MEMORY = """\
  wire [7:0] y;
  reg [7:0] z;
  reg [7:0] words [3:0];
  integer i;
  initial begin
    for (i = 0; i < 4; i = i + 1)
      words[i] = 8'h07;
  end
  wire [1:0] at;
  wire [7:0] data;
  assign at = a[1:0] + b[1:0];
  assign data = a ^ b;
  always @(posedge clk) begin
    if (en)
      words[at] <= data;
  end
  reg [7:0] found;
  always @(posedge clk) begin
    if (go) begin
      found <= words[at];
    end
  end
  assign y = found;
  always @(posedge clk)
    if (en) z <= y;
"""
PARTS = (
    REGISTERS
    + """\
  wire [7:0] chain;
  wire [1:0] first;
  wire [3:0] second;
  wire [1:0] above;
  assign chain[7:4] = { second };
  assign second = chain[3:0] + 4'h3;
  assign chain[3:2] = first + 2'h1;
  assign first = chain[1:0] ^ b[1:0];
  assign { above, chain[1:0] } = a[3:0];
  always @(posedge clk)
    if (en) y <= chain;
  always @(posedge clk)
    if (go) z[1:0] <= above;
  always @(posedge clk)
    if (rst) z[7:2] <= 6'h00;
    else if (go) z[7:2] <= a[7:2];
"""
)
CHOSEN = (
    REGISTERS
    + """\
  wire [7:0] sum;
  wire [7:0] all = sum;
  wire one;
  assign sum = a + b;
  assign one = all[b[2:0] +: 1];
  always @(posedge clk)
    if (en) y <= sum;
  always @(posedge clk)
    z <= { 7'h00, one };
"""
)
MODULES = {
    "chosen": CHOSEN,
    "enabled": ENABLED,
    "reset": RESET,
    "enabled_reset": ENABLED_RESET,
    "alternatives": ALTERNATIVES,
    "shared": SHARED,
    "condition": CONDITION,
    "function_": FUNCTION,
    "memory": MEMORY,
    "parts": PARTS,
}


def clocked(text: str) -> list[str]:
    """The lines of the one always block of guarded Verilog, without indents."""
    lines = guarded_verilog(module(text)).splitlines()
    [start] = [number for number, line in enumerate(lines) if "always" in line]
    return [line.strip() for line in lines[start + 1 : -2]]


def test_what_an_enabled_register_takes_is_computed_where_it_is_enabled() -> None:
    assert clocked(ENABLED) == [
        *("if (en) begin", "total = a + b;", "end"),
        "if (en) y <= total;",
        "z <= a;",
    ]
    lines = guarded_verilog(module(ENABLED)).splitlines()
    assert "  reg [7:0] total;" in lines and "  wire [7:0] total;" not in lines
    assert not any("assign total" in line for line in lines)


def test_a_reset_is_no_enable_and_a_chain_moves_as_a_whole() -> None:
    assert clocked(RESET)[:4] == ["if (en) begin", "total = a + b;", "twice = total + total;", "end"]


@pytest.mark.parametrize(
    ("text", "stays"),
    [(ENABLED_RESET, ["total", "other"]), (ALTERNATIVES, ["sum", "product"]), (CONDITION, ["difference", "less"])],
    ids=["reset behind an enable", "else", "conditions"],
)
def test_what_is_looked_at_in_other_cycles_too_stays_where_it_was(text: str, stays: list[str]) -> None:
    found = guarded_verilog(module(text))
    for name in stays:
        assert f"  assign {name} = " in found and re.search(rf"^  wire (\[7:0\] )?{name};$", found, re.MULTILINE)


def test_what_hangs_on_a_condition_alone_moves_behind_it() -> None:
    assert clocked(CONDITION)[:3] == ["if (less) begin", "wanted = difference ^ a;", "end"]


def test_logic_of_two_enables_is_computed_for_either_and_before_its_readers() -> None:
    assert clocked(SHARED)[:9] == [
        *("if (en || go) begin", "both = a * b;", "end"),
        *("if (en) begin", "one = both ^ 8'h5a;", "end"),
        *("if (go) begin", "two = both - b;", "end"),
    ]


def test_names_in_functions_are_their_own() -> None:
    assert clocked(FUNCTION)[:4] == [
        "if (go) begin",
        "unlike = ~ a;",
        "picked = pick(a, { unlike, b }, { a[0], ~ a[0] });",
        "end",
    ]


def test_addresses_and_data_of_a_memory_are_seen_by_its_ports_alone() -> None:
    assert clocked(MEMORY)[:6] == [
        *("if (en || go) begin", "at = a[1:0] + b[1:0];", "end"),
        *("if (en) begin", "data = a ^ b;", "end"),
    ]
    assert "  assign y = found;" in guarded_verilog(module(MEMORY)), "an output is always seen"


def test_parts_of_a_wire_stay_together_and_in_the_order_of_their_bits() -> None:
    chain = [line for line in clocked(PARTS) if " = " in line]
    assert chain == [
        "{ above, chain[1:0] } = a[3:0];",
        "first = chain[1:0] ^ b[1:0];",
        "chain[3:2] = first + 2'h1;",
        "second = chain[3:0] + 4'h3;",
        "chain[7:4] = { second };",
    ]


def test_logic_with_too_many_readers_is_computed_always() -> None:
    def readers(count: int) -> str:
        enables = "".join(f"  wire e{n};\n  assign e{n} = a == {n};\n  reg r{n};\n" for n in range(count))
        blocks = "".join(f"  always @(posedge clk)\n    if (e{n}) r{n} <= odd;\n" for n in range(count))
        return guarded_verilog(module(f"{REGISTERS}  wire odd;\n  assign odd = ^ a;\n{enables}{blocks}"))

    assert "assign odd" not in readers(GUARDS_MAX)
    assert "assign odd" in readers(GUARDS_MAX + 1)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("  always @(negedge clk)\n    y <= a;\n", "line 16: 'always @(negedge clk)' is no register of the clock clk"),
        ("  always @(posedge other)\n    y <= a;\n", "line 16: 'always @(posedge other)' is no register of the clock clk"),
        (
            "  always @(posedge clk) begin\n    if (en) y = a;\n  end\n",
            "'always @(posedge clk) begin if (en) y = a; end' writes no register",
        ),
        (
            "  wire [7:0] p;\n  wire [7:0] q;\n  assign p = q + 8'h01;\n  assign q = p;\n"
            "  always @(posedge clk)\n    if (en) y <= q;\n",
            "line 19: p depends on itself",
        ),
    ],
)
def test_verilog_of_another_form_is_refused(body: str, message: str) -> None:
    with pytest.raises(GuardError) as refused:
        guarded_verilog(module(body))
    assert str(refused.value) == message


@pytest.mark.verilator
def test_guarded_modules_do_what_the_plain_ones_do(tmp_path: Path) -> None:
    plain = {name: module(body, f"{name}_plain") for name, body in MODULES.items()}
    guarded = {name: guarded_verilog(module(body, f"{name}_guarded")) for name, body in MODULES.items()}
    twins = {name: (plain[name], guarded[name]) for name in MODULES}
    spoilt = [module(SHARED, "spoilt_plain"), guarded_verilog(module(SHARED, "spoilt_guarded")).replace("= a * b", "= a + b")]
    found = run_bench(side_by_side(twins | {"spoilt": (spoilt[0], spoilt[1])}), tmp_path)
    assert found.pop("spoilt")[0] > 100, "the bench sees a difference"
    assert list(found) == list(MODULES)
    assert {name for name, (different, _) in found.items() if different} == set()
    assert min(moved for _, moved in found.values()) > 1000, "the modules are alive"


@pytest.mark.verilator
@pytest.mark.parametrize("backend", ["engine", "amaranth"])
@pytest.mark.parametrize("stall", ["never", "bursts"])
def test_a_guarded_decoder_takes_the_same_decisions_in_the_same_cycles(backend: str, stall: str, tmp_path: Path) -> None:
    design = with_backend("ind_tiny", backend)
    parameters = random_parameters(design, seed=3)
    verilog, rtlil, _ = emit(design, parameters, tmp_path)
    samples = [random_samples(design, tokens=12, seed=4)]
    found = []
    for path in (verilog, emit_guarded(rtlil)):
        top = HarnessTop(files=(path,), taps=taps(design), optimise="-O0")
        found.append(simulate([], design, parameters, samples, tmp_path / path.stem, top=top, stall=stall))
    plain, guarded = found
    assert plain.passed and guarded.passed
    assert guarded.boundaries == plain.boundaries
    assert (guarded.cycles, guarded.cycles_per_decision) == (plain.cycles, plain.cycles_per_decision)


def test_a_guarded_decoder_computes_less(tmp_path: Path) -> None:
    """Most of the engine's assignments hang on enables; the module is one, and every register is still there."""
    design = with_backend("ind_tiny", "engine")
    verilog, rtlil, _ = emit(design, random_parameters(design, seed=3), tmp_path)
    path = emit_guarded(rtlil)
    assert path == tmp_path / "ind_guarded.v"
    text = path.read_text()
    assert (
        len(re.findall(r"^module ", text, re.MULTILINE)) == 1 < len(re.findall(r"^module ", verilog.read_text(), re.MULTILINE))
    )
    assert text.count("always @") == 1
    for tap in taps(design):
        assert re.search(rf"\btap_{tap.name}_payload <= ", text)
        assert re.search(rf"\btap_{tap.name}_valid <?= ", text)  # one register may serve two taps
    assert emit_guarded(rtlil).read_text() == text


def test_verilog_that_yosys_never_wrote_before_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str) -> str:
        raise GuardError("line 3: 'always @(negedge clk)' is no register of the clock clk")

    _, rtlil, _ = emit_component(Requantize(acc=IntFormat(12), out=INT8, shift=3), "small", tmp_path)
    monkeypatch.setattr("hw.rtl.emit.guarded_verilog", refuse)
    with pytest.raises(EmitError) as refused:
        emit_guarded(rtlil)
    assert str(refused.value) == (
        "yosys: small.il came out unlike any Verilog it wrote before: line 3: 'always @(negedge clk)' is no register of the "
        "clock clk"
    )
    assert not (tmp_path / "small_guarded.v").exists()
