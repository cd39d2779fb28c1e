"""A graph whose attention divides otherwise than the integers do is refused in one line."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from random_decoders import DESIGNS, random_decoder, token_shift

from quant.export_qonnx import export_qonnx
from quant.golden.parameters import ParameterError
from quant.golden.read_qonnx import read_qonnx


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("read")
    for variant in ("shift", "divide"):
        export_qonnx(random_decoder(DESIGNS[variant]), token_shift(DESIGNS[variant]), folder / f"{variant}.qonnx")
    return folder


def refusal(good, tmp_path, variant, change) -> str:
    graph = onnx.load(good / f"{variant}.qonnx")
    change(graph)
    onnx.save(graph, tmp_path / "d.qonnx")
    with pytest.raises(ParameterError) as caught:
        read_qonnx(tmp_path / "d.qonnx", DESIGNS[variant])
    line = str(caught.value)
    assert "\n" not in line and len(line) < 300 and line.startswith("d.qonnx: ")
    return line


def nodes(graph) -> dict[str, onnx.NodeProto]:
    return {output: node for node in graph.graph.node for output in node.output}


def walk(graph, *steps: int) -> onnx.NodeProto:
    """From the first attention's quantizer, along the input of each number."""
    found = nodes(graph)
    node = found["block0_attention"]
    for step in steps:
        node = found[node.input[step]]
    return node


DIVISION = (0, 0, 0, 0, 0)
"""Quant <- Mul <- Cast <- Floor <- Add <- Div."""
WEIGHT = {"divide": (*DIVISION, 1, 0), "shift": (*DIVISION, 1, 0, 0, 0, 0)}
"""Behind a Clip, or behind an Add of 1, the product with powers of two, a Cast and the comparison: the Mul that counts weights
in whole units."""
BOTH = pytest.mark.parametrize("variant", ["shift", "divide"])


def constant(graph, node, at, values, kind=np.float64):
    name = f"hostile{len(graph.graph.initializer)}"
    graph.graph.initializer.append(numpy_helper.from_array(np.asarray(values, kind), name))
    node.input[at] = name


def attribute(node, name):
    return next(found for found in node.attribute if found.name == name)


def test_the_steps_of_this_file_lead_where_they_should(good):
    for variant in ("shift", "divide"):
        graph = onnx.load(good / f"{variant}.qonnx")
        assert walk(graph, 0, 0, 0).op_type == "Floor" and walk(graph, *DIVISION).op_type == "Div"
        assert walk(graph, *WEIGHT[variant]).op_type == "Mul"
        read_qonnx(good / f"{variant}.qonnx", DESIGNS[variant])


@BOTH
def test_other_rounding(good, tmp_path, variant):
    def half(graph):
        constant(graph, walk(graph, 0, 0, 0, 0), 1, 0.25)

    def ceiling(graph):
        walk(graph, 0, 0, 0).op_type = "Ceil"

    def units(graph):
        constant(graph, walk(graph, 0), 1, 2.0**-20)

    assert "block0_attention is not rounded half up" in refusal(good, tmp_path, variant, half)
    assert "comes from Ceil where the decoder has Floor" in refusal(good, tmp_path, variant, ceiling)
    line = "block0_attention is rounded to other units than its quantizer's; export it again"
    assert line in refusal(good, tmp_path, variant, units)


@BOTH
def test_division_in_fewer_bits(good, tmp_path, variant):
    def narrow(graph):
        product = nodes(graph)[walk(graph, *DIVISION, 0).input[0]]
        attribute(nodes(graph)[product.input[0]], "to").i = onnx.TensorProto.FLOAT

    assert "is not cast to DOUBLE" in refusal(good, tmp_path, variant, narrow)


@BOTH
def test_a_quotient_upside_down(good, tmp_path, variant):
    def turned(graph):
        divide = walk(graph, *DIVISION)
        divide.input[0], divide.input[1] = divide.input[1], divide.input[0]

    assert " where the decoder has Mul" in refusal(good, tmp_path, variant, turned)


@BOTH
def test_a_weight_of_other_streams(good, tmp_path, variant):
    def queries(graph):
        graph.graph.node.append(onnx.helper.make_node("Cast", ["block0_key"], ["hostile"], to=onnx.TensorProto.DOUBLE))
        walk(graph, *WEIGHT[variant], 0).input[0] = "hostile"

    def values(graph):
        total = walk(graph, *WEIGHT[variant], 0, 1, 0, 0)
        assert total.op_type == "ReduceSum"
        total.input[0] = "block0_query"

    assert "is computed from block0_key where the decoder has block0_query" in refusal(good, tmp_path, variant, queries)
    assert "is computed from block0_query where the decoder has block0_key" in refusal(good, tmp_path, variant, values)


@BOTH
@pytest.mark.parametrize("axes", [[2], [0, 1], []])
def test_keys_summed_over_something_else(good, tmp_path, variant, axes):
    def change(graph):
        constant(graph, walk(graph, *WEIGHT[variant], 0, 1, 0, 0), 1, axes, np.int64)

    line = "block0_attention does not sum its keys over the window's tokens"
    assert line in refusal(good, tmp_path, variant, change)


@BOTH
def test_axes_that_are_no_axes(good, tmp_path, variant):
    def floats(graph):
        constant(graph, walk(graph, *WEIGHT[variant], 0, 1, 0, 0), 1, [1.0])

    def damaged(graph):
        total = walk(graph, *WEIGHT[variant], 0, 1, 0, 0)
        constant(graph, total, 1, [1], np.int64)
        graph.graph.initializer[-1].raw_data = b"123"

    assert "is no list of axes in the file" in refusal(good, tmp_path, variant, floats)
    assert "is damaged; export it again" in refusal(good, tmp_path, variant, damaged)


@BOTH
def test_a_weight_in_parts_of_units(good, tmp_path, variant):
    def change(graph):
        weight = walk(graph, *WEIGHT[variant])
        constant(graph, weight, 1, 1.0)

    line = "block0_attention divides by a weight that is not counted in whole units"
    assert line in refusal(good, tmp_path, variant, change)


@BOTH
@pytest.mark.parametrize("factor", [2.0**-30, 2.0**60])
def test_a_numerator_shifted_too_far(good, tmp_path, variant, factor):
    def change(graph):
        constant(graph, walk(graph, *DIVISION, 0), 1, factor)

    assert "block0_attention: its scales give numerators a left shift of " in refusal(good, tmp_path, variant, change)


def test_a_smallest_weight_other_than_1(good, tmp_path):
    def zero(graph):
        constant(graph, walk(graph, *DIVISION, 1), 1, 0.0)

    def largest(graph):
        constant(graph, walk(graph, *DIVISION, 1), 2, 100.0)

    def bare(graph):
        del walk(graph, *DIVISION, 1).input[:]

    line = "block0_attention divides by something else than the weight, at least 1"
    assert line in refusal(good, tmp_path, "divide", zero)
    assert line in refusal(good, tmp_path, "divide", largest)
    assert refusal(good, tmp_path, "divide", bare)


def test_another_table_of_powers(good, tmp_path):
    def compared(graph):
        greater = walk(graph, *DIVISION, 1, 0, 0, 0)
        values = numpy_helper.to_array(next(t for t in graph.graph.initializer if t.name == greater.input[1]))
        constant(graph, greater, 1, values * 2)

    def summed(graph):
        product = walk(graph, *DIVISION, 1, 0)
        constant(graph, product, 1, np.ones((12, 1)))

    def start(graph):
        constant(graph, walk(graph, *DIVISION, 1), 1, 2.0)

    line = "block0_attention divides by something else than the weight, rounded up to a power of two"
    for change in (compared, summed, start):
        assert line in refusal(good, tmp_path, "shift", change)


@BOTH
def test_nodes_without_their_inputs(good, tmp_path, variant):
    rounds = len(onnx.load(good / f"{variant}.qonnx").graph.node)
    for at in range(rounds):
        for kept in (0, 1):
            graph = onnx.load(good / f"{variant}.qonnx")
            if "normaliser" not in graph.graph.node[at].output[0] or len(graph.graph.node[at].input) <= kept:
                continue

            def shorten(graph, at=at, kept=kept):
                del graph.graph.node[at].input[kept:]

            refusal(good, tmp_path, variant, shorten)


def test_a_graph_that_divides_is_none_of_one_that_does_not(good, tmp_path):
    def renamed(graph):
        for entry in graph.metadata_props:
            if entry.key == "design":
                entry.value = "tiny_shift"

    line = refusal(good, tmp_path, "divide", renamed)
    assert "is of design 'tiny_shift', not tiny_divide" in line


@BOTH
def test_every_kind_of_damaged_bytes_is_refused_or_harmless(good, tmp_path, variant):
    content, rng = (good / f"{variant}.qonnx").read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 4):
            damaged[at] = int(rng.integers(0, 256))
        (tmp_path / "bytes.qonnx").write_bytes(damaged)
        try:
            read_qonnx(tmp_path / "bytes.qonnx", DESIGNS[variant])
        except ParameterError as error:
            assert "\n" not in str(error)
