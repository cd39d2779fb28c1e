"""Reading Liberty: grammar, functions, tables, and every refusal."""

import numpy as np
import pytest

from hw.power.cell_functions import FunctionError, parse_function
from hw.power.cells import read_library
from hw.power.glitches import factor_by_net, glitch_factors
from hw.power.liberty import LibertyError, parse_liberty
from hw.power.wire_load import enclosing_area_um2, wire_capacitance_pf
from tests.hw.small_liberty import small_cells, write_small_liberty
from tests.hw.small_netlists import make_netlist


@pytest.mark.parametrize(
    ("text", "true_rows"),
    [
        ("A&B", [3]),
        ("A B", [3]),
        ("A*B", [3]),
        ("A+B", [1, 2, 3]),
        ("A|B", [1, 2, 3]),
        ("A^B", [1, 2]),
        ("!(A B)", [0, 1, 2]),
        ("(A B)'", [0, 1, 2]),
        ("!A", [0]),
        ("A'", [0]),
        ("A' B + A B'", [1, 2]),
        ("A ^ A | B", [2, 3]),
        ("1", [0, 1, 2, 3]),
    ],
)
def test_functions_in_every_notation(text, true_rows):
    function = parse_function(text)
    rows = range(2) if function.pins == ("A",) else range(4)
    found = [row for row in rows if function.value({"A": row & 1, "B": row >> 1})]
    assert found == true_rows
    chance = function.probability({"A": np.array([0.5]), "B": np.array([0.5])})
    assert float(np.max(chance)) == len(true_rows) / len(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A &", "function 'A &' ends too early"),
        ("A $ B", "function 'A $ B': unexpected '$ B'"),
        ("A)", "function 'A)': unexpected ')'"),
    ],
)
def test_a_wrong_function_is_named(text, message):
    with pytest.raises(FunctionError) as error:
        parse_function(text)
    assert str(error.value) == message


def test_grammar_of_comments_continued_lists_and_missing_semicolons():
    text = """/* a */ library(l) { // b
      x : "one, two"; y : 3
      define(a, b, c); values("1, 2", \\
        "3");
      cell (c1) { area : 2.5 } }"""
    library = parse_liberty(text, "l.lib")
    assert (library.get("x"), library.number("y"), library.complex["values"]) == ("one, two", 3.0, [("1, 2", "3")])
    assert library.first("cell").number("area") == 2.5


def test_tables_are_interpolated_and_held_at_their_ends(tmp_path):
    group = small_cells(tmp_path)["INV"].pins["Y"].energy[0]
    assert group.per_toggle_pj(0.1, np.array([0.0, 0.5, 1.0, 9.0])).tolist() == pytest.approx([0.2, 0.7, 1.2, 1.2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello world", "bad.lib: is not Liberty (no ':' or '(' after 'hello' at character 0)"),
        ("library(l) { cell(c) {", "bad.lib: ends in the middle of a group; the file is truncated"),
        ("cell(c) { area : 1; }", "bad.lib: holds no library group; give a Liberty (.lib) file"),
        ("library(l) { }", "bad.lib: has no cells; give the Liberty file of a standard-cell library"),
        (
            "library(l) { cell(c) { area : 1; pin(A) { direction : input; } } }",
            "bad.lib: has no power tables (internal_power groups), so no power can be worked out; "
            "use a Liberty file characterised for power",
        ),
    ],
)
def test_every_refusal_is_one_line(tmp_path, content, message):
    path = tmp_path / "bad.lib"
    path.write_text(content)
    with pytest.raises(LibertyError) as error:
        read_library(path)
    assert str(error.value) == message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LibertyError, match=r"^none\.lib: cannot be read \(No such file or directory\)"):
        read_library(tmp_path / "none.lib")


def test_registers_gates_and_memories_are_recognised(tmp_path):
    cells = small_cells(tmp_path)
    assert {name: cell.kind for name, cell in cells.items()} == {
        **dict.fromkeys(("INV", "BUF", "NAND2", "XOR2"), "logic"), "DFF": "registers", "CG": "clock", "RAM4X2": "memories",
    }  # fmt: skip
    assert cells["RAM4X2"].memory == (2, 2)
    assert write_small_liberty(tmp_path, ("INV",)).name == "small.lib"


def test_wire_capacitance_between_and_beyond_the_points():
    points = ((1, 0.01), (5, 0.05), (20, 0.2))
    found = wire_capacitance_pf(np.array([0, 1, 3, 20, 80]), points)
    assert found.tolist() == pytest.approx([0, 0.01, 0.03, 0.2, 0.4])


def test_a_net_belongs_to_the_smallest_block_around_it(tmp_path):
    pins = [("a.x.i", "n0", "n1"), ("a.x.j", "n1", "n2"), ("a.y.k", "n2", "n3"), ("b.l", "n3", "n4")]
    instances = {name: ("INV", {"A": a, "Y": y}) for name, a, y in pins}
    netlist = make_netlist(small_cells(tmp_path), {"p": ("input", ["n0"])}, instances)
    areas = dict(zip(netlist.net_names, enclosing_area_um2(netlist).tolist(), strict=True))
    assert [areas[f"n{k}"] for k in range(5)] == [4, 2, 3, 4, 1]


def test_glitch_factors_are_weighted_by_load_and_never_below_one():
    blocks = ["a", "a", "b", None]
    delayed, settled = np.array([600, 300, 200, 999]), np.array([200, 300, 250, 999])
    factors = glitch_factors(delayed, settled, np.array([3.0, 1.0, 1.0, 5.0]), blocks)
    assert factors["a"] == pytest.approx((1800 + 300) / (600 + 300))
    assert factors["b"] == 1.0
    assert factor_by_net(factors, blocks).tolist() == pytest.approx([factors["a"], factors["a"], 1.0, 1.0])
