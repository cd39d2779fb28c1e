"""Registers that are alike become arrays and loops that compute what they computed."""

import re
from pathlib import Path

import pytest

from designs.catalogue import find_design
from hw.rtl.emit import emit, emit_guarded
from hw.rtl.guarded_verilog import guarded_verilog
from hw.rtl.rolled_verilog import MEMBERS_MIN, rolled_verilog
from rtl_sim.random_parameters import random_parameters
from tests.hw.verilog_twins import module, run_bench, side_by_side

ROWS, LANES = 4, 5


def multipliers(rows: int = ROWS, lanes: int = LANES, odd: str = "") -> str:
    """rows x lanes sums of products as flattened hardware has them: a step per lane, an operand per row and per lane.

    odd: replaces the operator of the first sum.
    """
    lines = ["  reg [7:0] y = 8'h00;", "  reg [7:0] z = 8'h00;", "  wire [11:0] all;", "  wire first;"]
    lines += ["  assign all = { a, b[3:0] } ^ { 4'h9, a };", "  assign first = b[6];"]
    sums = []
    for lane in range(lanes):
        lines += [f"  wire step_{lane};", f"  assign step_{lane} = en & (a[{lane}] | go);"]
    for row in range(rows):
        for lane in range(lanes):
            name = f"{row}_{lane}"
            operator = odd if odd and not row and not lane else "*"
            lines += [f"  reg signed [8:0] sum_{name} = 9'h000;", f"  wire [8:0] from_{name};", f"  wire [7:0] product_{name};"]
            lines += [f"  wire [9:0] total_{name};"]
            lines += [f"  assign from_{name} = first ? {{ b[{row}], b }} : sum_{name};"]
            left, right = f"$signed(all[{row + 3}:{row}])", f"$signed({'a' if lane % 2 else 'b'}[{row + 2}:{row}])"
            lines += [f"  assign product_{name} = {left} {operator} {right};"]
            lines += [f"  assign total_{name} = $signed(from_{name}) + $signed(product_{name});"]
            lines += ["  always @(posedge clk)", f"    if (step_{lane}) sum_{name} <= total_{name}[8:0];"]
            sums.append(f"sum_{name}")
    lines += ["  always @(posedge clk)", f"    y <= {' ^ '.join(f'{one}[7:0]' for one in sums)};"]
    lines += ["  always @(posedge clk)", f"    if (go) z <= {' + '.join(sums)};"]
    return "\n".join(lines) + "\n"


def alike(computed: str, *, bits: int = 16, before: str = "") -> str:
    """20 registers r0 ... of `bits` bits with one enable; `computed` and `before` with {n} for their number."""
    numbers = range(20)
    lines = ["  reg [7:0] y;", "  reg [7:0] z;"]
    for n in numbers:
        lines += [f"  reg [{bits - 1}:0] r{n} = {bits}'h0;", *before.format(n=n).splitlines()]
        lines += ["  always @(posedge clk)", f"    if (en) r{n} <= {computed.format(n=n)};"]
    lines += ["  always @(posedge clk)", f"    y <= {' ^ '.join(f'r{n}[{bits - 1}:{bits - 8}]' for n in numbers)};"]
    lines += ["  always @(posedge clk)", f"    z <= {' + '.join(f'r{n}[7:0]' for n in numbers)};"]
    return "\n".join(lines) + "\n"


SIGNED_PRODUCT = alike("$signed(w{n}[7:4]) * $signed(w{n}[3:0])", before="  wire [7:0] w{n};\n  assign w{n} = b ^ 8'd{n};")
SIGNED_NETS = alike(
    "t{n}",
    before="  wire signed [7:0] s{n};\n  wire [15:0] t{n};\n  assign s{n} = b ^ 8'd{n};\n  assign t{n} = s{n} * s{n} + s{n};",
)
SIGNED_SHARED = alike("s * t", before="").replace(
    "  reg [7:0] y;\n", "  reg [7:0] y;\n  wire signed [7:0] s;\n  wire signed [7:0] t;\n  assign s = a;\n  assign t = b;\n", 1
)


def recoded(rows: int = 8, lanes: int = 4) -> str:
    """Sums of products as the engine has them: a digit per row, its parts read often, sums whose highest bit nobody reads."""
    lines = ["  reg [7:0] y;", "  reg [7:0] z;", "  reg [23:0] digits = 24'h000000;", "  wire [23:0] fresh;"]
    lines += [
        "  assign fresh = { a, b, a } ^ { b, a[3:0], b, a[7:4] };",
        "  always @(posedge clk)",
        "    if (go) digits <= fresh;",
    ]
    sums = []
    for lane in range(lanes):
        lines += [f"  wire step_{lane};", f"  assign step_{lane} = en & (b[{lane}] | go);"]
        lines += [f"  reg [7:0] own_{lane} = 8'h00;", "  always @(posedge clk)", f"    if (a[{lane}]) own_{lane} <= b;"]
        for row in range(rows):
            name, one, two, negative = (f"{lane}_{row}", *(f"digits[{3 * row + bit}]" for bit in range(3)))
            lines += [f"  reg signed [11:0] sum_{name} = 12'h000;", f"  wire signed [11:0] next_{name};"]
            lines += [
                f"  wire [{high}:0] {wire}_{name};" for wire, high in (("either", 8), ("twice", 8), ("once", 8), ("all", 12))
            ]
            lines += [f"  wire signed [8:0] product_{name};"]
            lines += [f"  assign once_{name} = {{ own_{lane}[7], own_{lane} }} & {{ {', '.join([one] * 9)} }};"]
            lines += [f"  assign twice_{name} = {{ own_{lane}, 1'h0 }} & {{ {', '.join([two] * 9)} }};"]
            lines += [f"  assign either_{name} = once_{name} | twice_{name};"]
            lines += [f"  assign product_{name} = either_{name} ^ {{ {', '.join([negative] * 9)} }};"]
            wide = f"{{ product_{name}[8], product_{name}[8], product_{name} }}"
            lines += [f"  assign {{ all_{name}[12], next_{name} }} = $signed(sum_{name}) + $signed({wide});"]
            lines += [f"  assign all_{name}[11:0] = next_{name};"]
            lines += ["  always @(posedge clk)", f"    if (step_{lane}) sum_{name} <= next_{name};"]
            sums.append(f"sum_{name}")
    lines += ["  always @(posedge clk)", f"    y <= {' ^ '.join(f'{one}[7:0]' for one in sums)};"]
    lines += ["  always @(posedge clk)", f"    z <= {' + '.join(f'{one}[11:4]' for one in sums)};"]
    return "\n".join(lines) + "\n"


NARROW = alike("(a + b) >> s{n}", bits=8, before="  wire [1:0] s{n};\n  assign s{n} = a[1:0] | b[1:0];")
"""What is shifted down has no ninth bit: the sum has eight."""


def rolled(body: str, name: str = "small") -> str:
    return rolled_verilog(guarded_verilog(module(body, name)))


def test_registers_that_are_alike_are_elements_of_one_array() -> None:
    text = rolled(multipliers())
    assert not re.search(r"\b(sum|from|product|total)_\d_\d\b", text)
    assert text.count("endtask") == ROWS and "  reg signed [8:0] roll_0 [0:31];" in text
    assert "roll_0[0][7:0] ^ roll_0[1][7:0]" in text, "whoever read a register reads its element"


def test_what_serves_one_register_is_in_its_loop_however_often_it_is_read() -> None:
    text = rolled(recoded())
    assert not re.search(r"\b(sum|next|all|once|twice|either|product)_\d_\d\b", text)
    assert re.search(r"roll_0_table_0\[\d\] = digits\[5:3\];", text) and "roll_0_table_1" not in text, (
        "a row's digit is one word"
    )


def test_a_wire_that_makes_registers_differ_stays_outside() -> None:
    text = rolled(SIGNED_NETS)
    assert "s19 = b ^ 8'd19;" in text and "roll_0_table_0[19] = s19;" in text


def test_few_registers_stay_as_they_are() -> None:
    body = multipliers(rows=3, lanes=(MEMBERS_MIN - 1) // 3)
    assert rolled(body) == guarded_verilog(module(body))


def test_a_register_of_another_shape_stays_outside() -> None:
    text = rolled(multipliers(odd="-"))
    assert "sum_0_0 <= total_0_0[8:0];" in text and "roll_0[" in text


def test_registers_that_read_each_other_stay_outside() -> None:
    chain = "".join(f"  reg [7:0] r{n} = 8'h00;\n" for n in range(21)) + "  reg [7:0] y;\n  reg [7:0] z;\n"
    chain += "".join(f"  always @(posedge clk)\n    if (en) r{n + 1} <= r{n} + a;\n" for n in range(20))
    chain += "  always @(posedge clk)\n    y <= r20;\n  always @(posedge clk)\n    z <= r7;\n"
    assert rolled(chain) == guarded_verilog(module(chain))


def test_what_the_simulator_looks_at_keeps_its_name() -> None:
    body = multipliers().replace("sum_", "tap_")
    assert rolled(body) == guarded_verilog(module(body))


def test_ports_and_parts_that_are_chosen_at_run_time_stay_outside() -> None:
    dynamic = alike("w{n}[b[2:0] +: 1]", before="  wire [7:0] w{n};\n  assign w{n} = a ^ 8'd{n};")
    assert rolled(dynamic) == guarded_verilog(module(dynamic))
    output = multipliers().replace("  reg signed [8:0] sum_0_0 =", "  output [8:0] sum_0_0;\n  reg signed [8:0] sum_0_0 =")
    assert "sum_0_0 <= total_0_0[8:0];" in rolled(output) and "roll_0[" in rolled(output)


@pytest.mark.verilator
def test_loops_compute_what_the_registers_computed(tmp_path: Path) -> None:
    bodies = {"grid": multipliers(), "short": multipliers(rows=8, lanes=3)}
    bodies |= {"odd": multipliers(odd="-"), "product": SIGNED_PRODUCT, "nets": SIGNED_NETS, "shared": SIGNED_SHARED}
    bodies |= {"recoded": recoded(), "narrow": NARROW}
    twins = {name: (module(body, f"{name}_plain"), rolled(body, f"{name}_guarded")) for name, body in bodies.items()}
    assert all("endtask" in text for _, text in twins.values())
    spoilt = rolled(multipliers(), "spoilt_guarded").replace("$signed(roll_0_own[8:0]);", "9'h001;", 1)
    found = run_bench(side_by_side(twins | {"spoilt": (module(multipliers(), "spoilt_plain"), spoilt)}), tmp_path)
    assert found.pop("spoilt")[0] > 100, "the bench sees a difference"
    assert {name for name, (different, _) in found.items() if different} == set()
    assert min(moved for _, moved in found.values()) > 1000, "the modules are alive"


def test_the_multipliers_of_the_engine_are_rolled(tmp_path: Path) -> None:
    design = find_design("ind_int4")
    _, rtlil, _ = emit(design, random_parameters(design, seed=3), tmp_path)
    text = emit_guarded(rtlil).read_text()
    register = r"  reg .*array__lane_\d__sum_\d( =.*)?;"
    assert "endtask" in text and not re.search(register, text)
    products = r"\bengine__datapath__array__lane_\d__mac_\d"
    assert not re.search(products, text), "products, too, are in the loops alone"
    tables = re.findall(r"  reg \[31:0\] (roll_\d+)_table_\d+ ", text)
    assert max(tables.count(array) for array in tables) <= 3, "a bias, and for each kind of lane a row's digits, are one word"
