"""Whatever is no exact decoder of the design is refused in one line that names file and tensor."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from random_decoders import DESIGNS, random_decoder, token_shift

from designs.catalogue import CATALOGUE
from designs.model_hash import model_hash
from quant.export_qonnx import export_qonnx
from quant.golden.parameters import ParameterError
from quant.golden.read_qonnx import read_qonnx, spec_hash

TINY = DESIGNS["int4"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("read") / "tiny.qonnx"
    export_qonnx(random_decoder(TINY), token_shift(TINY), path)
    return path


def refusal(path, design=TINY) -> str:
    with pytest.raises(ParameterError) as caught:
        read_qonnx(path, design)
    line = str(caught.value)
    assert "\n" not in line and len(line) < 300
    return line


def changed(good, tmp_path, change) -> str:
    graph = onnx.load(good)
    change(graph)
    onnx.save(graph, tmp_path / "tiny.qonnx")
    return refusal(tmp_path / "tiny.qonnx")


def initializer(graph, name):
    return next(tensor for tensor in graph.graph.initializer if tensor.name == name)


def quantizer(graph, output):
    return next(node for node in graph.graph.node if node.output[0] == output)


def put(graph, name, values):
    initializer(graph, name).CopyFrom(numpy_helper.from_array(np.asarray(values, np.float32), name))


@pytest.mark.parametrize(
    ("name", "model", "spec"),
    [
        ("ind_tiny", "6ec140852134", "bc587424a536c4be330e1a5d2571e3e5792b01afe377de04cb916f6548d1979d"),
        ("ind_int4", "8f0e9b4f55e3", "cc8db17cbd7b4d820c85656e28270349d752af21bb7e26d3a71d5ecbe97de218"),
    ],
)
def test_the_hashes_of_named_designs_stay_those_of_files_that_exist(name, model, spec):
    assert (model_hash(CATALOGUE[name]), spec_hash(CATALOGUE[name])) == (model, spec)


def test_a_graph_of_other_centres_is_refused(good):
    moved = replace(TINY, tokenizer=replace(TINY.tokenizer, centres=(0.2311,)))
    assert refusal(good, moved) == "tiny.qonnx: was made from another version of designs/ind_tiny.py; train ind_tiny again"


def test_a_missing_file(tmp_path):
    assert refusal(tmp_path / "no.qonnx") == "no.qonnx: no such file; export it with python -m quant.train_qat ind_tiny"


def test_a_graph_of_another_design(good):
    assert refusal(good, CATALOGUE["ind_int4"]) == "tiny.qonnx: is of design 'ind_tiny', not ind_int4; export it for ind_int4"


def test_a_graph_of_an_older_version_of_the_design(good):
    older = replace(TINY, tokenizer=replace(TINY.tokenizer, cycles=4.0))
    line = "tiny.qonnx: was made from another version of designs/ind_tiny.py; train ind_tiny again"
    assert refusal(good, older) == line


def test_hardware_choices_do_not_make_it_another_design(good):
    read_qonnx(good, replace(TINY, hardware=replace(TINY.hardware, clock_khz=500)))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file(good, tmp_path, share):
    content = good.read_bytes()
    (tmp_path / "cut.qonnx").write_bytes(content[: int(len(content) * share)])
    assert refusal(tmp_path / "cut.qonnx").startswith("cut.qonnx: ")


def test_every_kind_of_damaged_bytes_is_refused_or_harmless(good, tmp_path):
    content, rng = bytearray(good.read_bytes()), np.random.default_rng(0)
    path = tmp_path / "bytes.qonnx"
    for _ in range(150):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), 4):
            damaged[at] = int(rng.integers(0, 256))
        path.write_bytes(damaged)
        try:
            read_qonnx(path, TINY)
        except ParameterError as error:
            assert "\n" not in str(error)


def test_a_file_too_large_is_not_even_opened(tmp_path):
    path = tmp_path / "big.qonnx"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "bytes, more than" in refusal(path)


def test_another_kind_of_file(tmp_path):
    (tmp_path / "page.qonnx").write_text("<html>not found</html>")
    assert "not a readable QONNX graph" in refusal(tmp_path / "page.qonnx")


def test_weights_between_the_integers(good, tmp_path):
    def change(graph):
        values = numpy_helper.to_array(initializer(graph, "embed_weight")).copy()
        values[0, 0] *= 1.25
        values[0, 1] += 1e-6
        put(graph, "embed_weight", values)

    line = "tiny.qonnx: embed_weight_quantized holds values that are no whole multiples of its scale; export it again"
    assert changed(good, tmp_path, change) == line


def test_weights_beyond_their_format(good, tmp_path):
    def change(graph):
        values = numpy_helper.to_array(initializer(graph, "readout_weight")) * 64
        put(graph, "readout_weight", values)

    assert "ind_tiny: readout weight: values from " in changed(good, tmp_path, change)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(good, tmp_path, value):
    def change(graph):
        put(graph, "embed_bias", np.full(8, value))

    assert "embed_bias holds values that are not finite" in changed(good, tmp_path, change)


@pytest.mark.parametrize("scale", [0.3, 0.0, -0.5])
def test_a_scale_that_is_no_power_of_two(good, tmp_path, scale):
    def change(graph):
        put(graph, quantizer(graph, "block0_query").input[1], scale)

    assert "is not a power of two; train with power-of-two scales" in changed(good, tmp_path, change)


def test_a_scale_that_needs_a_left_shift(good, tmp_path):
    def change(graph):
        graph.graph.initializer.append(numpy_helper.from_array(np.array(2.0**-30, np.float32), "small"))
        quantizer(graph, "block0_value").input[1] = "small"

    assert "block0_value: its scales give a right shift of -" in changed(good, tmp_path, change)


def test_a_residual_stream_that_changes_its_scale(good, tmp_path):
    def change(graph):
        graph.graph.initializer.append(numpy_helper.from_array(np.array(2.0**-3, np.float32), "coarse"))
        quantizer(graph, "block0_project").input[1] = "coarse"

    assert "block0_project leaves the residual stream's scale 2**" in changed(good, tmp_path, change)


def test_another_bit_width(good, tmp_path):
    def change(graph):
        graph.graph.initializer.append(numpy_helper.from_array(np.array(5.0, np.float32), "five"))
        quantizer(graph, "block0_key").input[3] = "five"

    assert changed(good, tmp_path, change) == "tiny.qonnx: block0_key is not quantized to UINT4; is it of another design?"


def test_a_removed_relu(good, tmp_path):
    def change(graph):
        relu = next(node for node in graph.graph.node if node.output[0] == quantizer(graph, "block0_expand").input[0])
        quantizer(graph, "block0_expand").input[0] = relu.input[0]

    assert "comes from Add where the decoder has Relu" in changed(good, tmp_path, change)


def test_swapped_streams(good, tmp_path):
    def change(graph):
        for node in graph.graph.node:
            if node.op_type == "MatMul" and "block0_value" in node.input:
                node.input[1] = "block0_query"

    assert "where the decoder has " in changed(good, tmp_path, change)


def test_missing_metadata(good, tmp_path):
    def change(graph):
        del graph.metadata_props[:]

    assert "is of design None, not ind_tiny" in changed(good, tmp_path, change)


@pytest.mark.parametrize("text", ["", "[[1.5]]", "[" * 100_000, '{"a": 1}', "[[1], [2, 3]]"])
def test_a_token_shift_that_is_no_table(good, tmp_path, text):
    def change(graph):
        for entry in graph.metadata_props:
            if entry.key == "token_shift":
                entry.value = text

    assert "token_shift in its metadata is missing or no table of integers" in changed(good, tmp_path, change)


def test_a_token_shift_out_of_range(good, tmp_path):
    def change(graph):
        for entry in graph.metadata_props:
            if entry.key == "token_shift":
                entry.value = str(np.full((4, 4), 32).tolist())

    assert "ind_tiny: token_shift: values from 32 to 32 do not fit UINT5" in changed(good, tmp_path, change)


def test_values_outside_the_file(good, tmp_path):
    def change(graph):
        tensor = initializer(graph, "embed_weight")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/hostname")

    graph = onnx.load(good)
    change(graph)
    (tmp_path / "tiny.qonnx").write_bytes(graph.SerializeToString())
    assert "embed_weight is not stored in the file as float values" in refusal(tmp_path / "tiny.qonnx")
