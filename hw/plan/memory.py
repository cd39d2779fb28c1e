"""The loadable memories, their words and their load frames; hw.rtl.memory_list lists all memories as built."""

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from designs.layer_table import LinearLayer, linear_layer, linear_layers
from designs.number_format import IntFormat
from designs.schema import GAIN_BITS, Design, DesignError, TokenizerSpec
from hw.plan.engine import Cut, bias_cut, bias_format, embed_groups, engine_rows, position_cut, weight_pack
from hw.plan.folding import WORD_BITS_MAX, Folding, word_bits
from hw.plan.passes import padded_outputs
from hw.plan.spatial import spatial_layout, weight_rows
from quant.golden.parameters import IntegerParameters, PreprocessParameters

FRAME_START = 0xA5
GAIN_SHIFT_BITS = 5
"""Of preprocessing: a right shift of GAIN_BITS - shift, 0 to 2 * GAIN_BITS."""
WORDS_MAX = 1 << 16
"""What the address of the load bus reaches."""
TWOFOLD = ("token_shift", "readout", "preprocess")
"""Regions with two banks, which are changed without a pause; `readout` is the engine's alone."""


@dataclass(frozen=True)
class Region:
    """One loadable memory: `depth` words of `width` bits, number `index` on the load port.

    bank: number of the load bus' bank bit where a load goes beside the words in use, which it replaces when its checksum was
    right; None where it is written in place.
    """

    name: str
    index: int
    depth: int
    width: int
    bank: int | None = None

    @property
    def words(self) -> int:
        """Of both banks where there are two."""
        return self.depth if self.bank is None else 2 * self.depth

    @property
    def word_bytes(self) -> int:
        return -(-self.width // 8)

    @property
    def frame_bytes(self) -> int:
        """Start, region, payload, checksum."""
        return 2 + self.depth * self.word_bytes + 4

    @property
    def bits(self) -> int:
        return self.depth * self.width


def regions(design: Design, folding: dict[str, Folding]) -> tuple[Region, ...]:
    """Every loadable memory in the order of the load frames: token_shift, weight and bias of each layer, position after embed;
    last preprocess, where the design has it.

    Raises DesignError where a memory is too large for the load port.
    `token_shift`: address channel * octaves + octave, a `TokenizerSpec.token_shift` per wavelet of the octave, wavelet 0 in the
    low bits; absent where samples are tokens already. `spatial_weight`, where there is a filter: hw.plan.spatial, address
    channel * groups + group, lane 0 in the low bits.
    `<layer>_weight`: address nf * (inputs / simd) + sf, weight [nf * pe + p, sf * simd + s] at place p * simd + s, place 0 in
    the low bits. `<layer>_bias`: one word per output. `position`: address token * embed_dim + dim.
    With the engine, pe is its number of rows and outputs are filled up with zeros to whole groups of rows. A word holds the
    weights of `weight_pack` steps, address (nf * inputs + input) / weight_pack, the earlier one in the low bits; embed's,
    unless states run on, those of `embed_groups` groups, address (input * groups + nf) / embed_groups, the lower group in the
    low bits. A readout of all tokens takes its inputs dim after dim, in each token after token. The biases of a group of rows,
    and the positions of a dim in all tokens, are vectors cut into words as hw.plan.engine.Cut says.
    Weights and biases of the last layer are one region, `readout`.
    `preprocess`: one word per channel, the right shift GAIN_BITS - shift in the low 5 bits, above them 1 where it is dead.
    Those of TWOFOLD have two banks: token shifts change between two tokens, the readout between two decisions, gains before a
    sample of the first channel.
    """
    shapes = _tokenizer_shapes(design.tokenizer)
    shapes += _engine_shapes(design) if design.hardware.backend == "engine" else _pipeline_shapes(design, folding)
    shapes += [("preprocess", design.tokenizer.channels, GAIN_SHIFT_BITS + 1)] if design.tokenizer.preprocess else []
    found = tuple(
        Region(name, index, depth, width, bank=TWOFOLD.index(name) if name in TWOFOLD else None)
        for index, (name, depth, width) in enumerate(shapes)
    )
    for region in found:
        _require_loadable(design, region)
    return found


def _tokenizer_shapes(spec: TokenizerSpec) -> list[tuple[str, int, int]]:
    if spec.ready:
        return []
    shapes = [("token_shift", spec.bank_channels * spec.octaves, spec.wavelets_per_octave * spec.bank.token_shift.bits)]
    if spec.spatial is not None:
        layout = spatial_layout(spec)
        shapes.append(("spatial_weight", layout.words(spec.channels), layout.lanes * spec.spatial.weight.bits))
    return shapes


def _pipeline_shapes(design: Design, folding: dict[str, Folding]) -> list[tuple[str, int, int]]:
    model, shapes = design.model, []
    for layer in linear_layers(design):
        words = layer.inputs * layer.outputs // folding[layer.name].multipliers
        shapes.append((f"{layer.name}_weight", words, word_bits(layer, folding[layer.name])))
        shapes.append((f"{layer.name}_bias", layer.outputs, layer.bias.bits))
        if layer.name == "embed":
            shapes.append(("position", model.tokens * model.embed_dim, design.quant.stream.bits))
    return shapes


def _engine_shapes(design: Design) -> list[tuple[str, int, int]]:
    """Regions that share a memory follow each other: weights, then biases."""
    rows, bias, position = engine_rows(design), bias_cut(design), position_cut(design)
    weights, biases = [], []
    for layer in linear_layers(design):
        side_by_side = embed_groups(design) if _by_feature(layer, design) else weight_pack(design)
        groups = padded_outputs(layer, rows) // rows
        if layer.name == "readout":
            continue
        weights.append((f"{layer.name}_weight", layer.inputs * groups // side_by_side, side_by_side * rows * layer.weight.bits))
        biases.append((f"{layer.name}_bias", groups * bias.pieces, bias.width))
    last = linear_layer(design, "readout")
    depth = readout_words(design) + padded_outputs(last, rows) // rows * bias.pieces
    readout = ("readout", depth, max(weights[-1][2], bias.width))
    if design.model.streaming:
        return [*weights, *biases, readout]
    return [*weights, *biases, ("position", design.model.embed_dim * position.pieces, position.width), readout]


def readout_words(design: Design) -> int:
    """Words of weights at the start of the engine's region `readout`."""
    layer, rows = linear_layer(design, "readout"), engine_rows(design)
    return layer.inputs * padded_outputs(layer, rows) // rows // weight_pack(design)


def _by_feature(layer: LinearLayer, design: Design) -> bool:
    """Whether the engine takes a layer's weights input after input, all outputs of each; where states run on none."""
    return layer.name == "embed" and not design.model.streaming


def _require_loadable(design: Design, region: Region) -> None:
    who, size = f"region {region.index} of the load port, {region.name}", f"{region.depth} words of {region.width} bits"
    if region.index > 255 or region.depth > WORDS_MAX or region.width > WORD_BITS_MAX:
        raise DesignError(
            f"{design.name}: {who}, has {size}; use at most 256 regions of at most {WORDS_MAX} words of {WORD_BITS_MAX} bits"
        )


def find_region(design: Design, folding: dict[str, Folding], name: str) -> Region:
    """The region called `name`; KeyError if the design has none."""
    return {region.name: region for region in regions(design, folding)}[name]


def load_words(parameters: IntegerParameters, folding: dict[str, Folding]) -> dict[str, list[int]]:
    """Region name -> its `depth` words as unsigned integers of `width` bits, in address order."""
    design = parameters.design
    words = _tokenizer_words(parameters)
    words |= _engine_words(parameters) if design.hardware.backend == "engine" else _pipeline_words(parameters, folding)
    if parameters.preprocess is not None:
        words["preprocess"] = preprocess_words(parameters.preprocess)
    return {region.name: words[region.name] for region in regions(design, folding)}


def _tokenizer_words(parameters: IntegerParameters) -> dict[str, list[int]]:
    spec = parameters.design.tokenizer
    if spec.ready:
        return {}
    shifts = parameters.token_shift.reshape(spec.bank_channels * spec.octaves, spec.wavelets_per_octave)
    words = {"token_shift": _pack(shifts, spec.bank.token_shift)}
    if spec.spatial is not None and parameters.spatial_weight is not None:
        words["spatial_weight"] = _pack(weight_rows(parameters.spatial_weight, spec), spec.spatial.weight)
    return words


def preprocess_words(found: PreprocessParameters) -> list[int]:
    """The words of the region `preprocess`."""
    words: list[int] = (found.dead << GAIN_SHIFT_BITS | GAIN_BITS - found.shift).tolist()
    return words


def _pipeline_words(parameters: IntegerParameters, folding: dict[str, Folding]) -> dict[str, list[int]]:
    design = parameters.design
    words = {"position": _pack(parameters.position.reshape(-1, 1), design.quant.stream)}
    for layer in linear_layers(design):
        pe, simd = folding[layer.name].pe, folding[layer.name].simd
        weight = parameters.linear[layer.name].weight.reshape(layer.outputs // pe, pe, layer.inputs // simd, simd)
        words[f"{layer.name}_weight"] = _pack(weight.transpose(0, 2, 1, 3).reshape(-1, pe * simd), layer.weight)
        words[f"{layer.name}_bias"] = _pack(parameters.linear[layer.name].bias.reshape(-1, 1), layer.bias)
    return words


def _engine_words(parameters: IntegerParameters) -> dict[str, list[int]]:
    design = parameters.design
    rows = engine_rows(design)
    words = {}
    if not design.model.streaming:
        words["position"] = _cut(_pack(parameters.position.T, design.quant.stream), position_cut(design))
    for layer in linear_layers(design):
        missing = padded_outputs(layer, rows) - layer.outputs
        weight = np.pad(parameters.linear[layer.name].weight, ((0, missing), (0, 0))).reshape(-1, rows, layer.inputs)
        if layer.name == "readout" and design.model.pool == "none":
            weight = weight.reshape(*weight.shape[:2], design.model.tokens, -1).swapaxes(2, 3).reshape(weight.shape)
        order = (2, 0, 1) if _by_feature(layer, design) else (0, 2, 1)
        places = rows * (embed_groups(design) if _by_feature(layer, design) else weight_pack(design))
        words[f"{layer.name}_weight"] = _pack(weight.transpose(order).reshape(-1, places), layer.weight)
        bias = np.pad(parameters.linear[layer.name].bias, (0, missing))
        words[f"{layer.name}_bias"] = _cut(_pack(bias.reshape(-1, rows), bias_format(design)), bias_cut(design))
    words["readout"] = words.pop("readout_weight") + words.pop("readout_bias")
    return words


def load_frames(parameters: IntegerParameters, folding: dict[str, Folding]) -> bytes:
    """What the load port takes to fill every region, one frame after the other (docs/blocks/load_port.md)."""
    words = load_words(parameters, folding)
    return b"".join(load_frame(region, words[region.name]) for region in regions(parameters.design, folding))


def load_frame(region: Region, words: list[int]) -> bytes:
    """Start byte, region index, words little-endian, CRC-32 of region and words little-endian."""
    body = bytes([region.index]) + b"".join(word.to_bytes(region.word_bytes, "little") for word in words)
    return bytes([FRAME_START]) + body + crc32(body).to_bytes(4, "little")


def _cut(vectors: list[int], cut: Cut) -> list[int]:
    """Each vector's words, the low bits first."""
    mask = (1 << cut.width) - 1
    return [vector >> piece * cut.width & mask for vector in vectors for piece in range(cut.pieces)]


def _pack(rows: np.ndarray, format: IntFormat) -> list[int]:
    """int64 [words, places] -> one unsigned integer per word, place 0 in the low bits, two's complement."""
    mask = (1 << format.bits) - 1
    return [sum((int(value) & mask) << (place * format.bits) for place, value in enumerate(row)) for row in rows]
