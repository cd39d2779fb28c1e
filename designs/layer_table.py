"""Design -> the named streams and layers of its decoder, in the order of the flow: the one source of names."""

from dataclasses import dataclass
from functools import cache

from designs.number_format import IntFormat, enclosing, product_sum
from designs.schema import LEAK_SHIFT, Design, TokenizerSpec

LEAK_FINER = 4
"""Octaves by which a leaky mean's scale may be finer than that of what it takes."""
DECIMATOR_TAPS = 7
"""Taps of the half-band decimator between two octaves that are not 0."""


@dataclass(frozen=True)
class LinearLayer:
    """One matrix-vector layer: ``out = saturate((weight @ in + bias + half) >> shift)``; `out` None: the sum itself.

    The bias is stored in `bias` format; `acc` holds every sum of products plus bias that the formats allow, whatever the
    weights, since weights can be reloaded in the implant.
    """

    name: str
    inputs: int
    outputs: int
    tokens: int
    """Vectors per decision."""
    input: IntFormat
    weight: IntFormat
    out: IntFormat | None

    @property
    def bias(self) -> IntFormat:
        return product_sum(self.input, self.weight, self.inputs)

    @property
    def acc(self) -> IntFormat:
        return IntFormat(self.bias.bits + 1)

    @property
    def macs(self) -> int:
        """Multiply-adds per decision."""
        return self.inputs * self.outputs * self.tokens

    @property
    def parameters(self) -> int:
        return self.outputs * (self.inputs + 1)


@dataclass(frozen=True)
class StreamShape:
    """A boundary between two blocks: what passes there in one decision, row-major, one value per transfer."""

    name: str
    shape: tuple[int, ...]
    format: IntFormat


def tokens_at_once(design: Design) -> int:
    """Tokens that a decision computes behind the embedding: the window's, or the new one where states run on."""
    return 1 if design.model.streaming else design.model.tokens


def state_names(design: Design) -> list[str]:
    """Boundaries that run on from token to token, as the exported graph takes and gives them; none where a window is kept."""
    return [*(f"block{i}_state" for i in range(design.model.layers)), "pool"] if design.model.streaming else []


def before(state: str) -> str:
    """The graph's input for a state."""
    return f"{state}_before"


def after(state: str) -> str:
    """The graph's output for a state."""
    return f"{state}_after"


@cache
def linear_layers(design: Design) -> tuple[LinearLayer, ...]:
    """Every matrix-vector layer in the order of the flow."""
    model, quant = design.model, design.quant
    dim, hidden, tokens = model.embed_dim, model.hidden_dim, tokens_at_once(design)
    stream, activation, weight = quant.stream, quant.activation, quant.weight
    layers = [LinearLayer("embed", design.tokenizer.features, dim, 1, design.tokenizer.token, weight, stream)]
    for i in range(model.layers):
        layers += [
            LinearLayer(f"block{i}_query", dim, dim, tokens, stream, weight, activation.unsigned()),
            LinearLayer(f"block{i}_key", dim, dim, tokens, stream, weight, activation.unsigned()),
            LinearLayer(f"block{i}_value", dim, dim, tokens, stream, weight, activation),
            LinearLayer(f"block{i}_project", dim, dim, tokens, stream, weight, stream),
            LinearLayer(f"block{i}_expand", dim, hidden, tokens, stream, weight, activation.unsigned()),
            LinearLayer(f"block{i}_contract", hidden, dim, tokens, activation.unsigned(), weight, stream),
        ]
    return (*layers, LinearLayer("readout", model.pooled_dim, model.outputs, 1, stream, weight, None))


def linear_layer(design: Design, name: str) -> LinearLayer:
    """The layer called `name`; KeyError if the design has none."""
    return {layer.name: layer for layer in linear_layers(design)}[name]


@cache
def streams(design: Design) -> tuple[StreamShape, ...]:
    """Every boundary at which all models of the decoder must agree, in the order of the flow.

    Where states run on, they are boundaries too, and there is no window: one token passes.
    """
    if design.model.streaming:
        return _streams_of_a_token(design)
    model, quant, tokenizer = design.model, design.quant, design.tokenizer
    window = (model.tokens, model.embed_dim)
    found = [
        StreamShape("tokens", (tokenizer.features,), tokenizer.token),
        StreamShape("embed", (model.embed_dim,), quant.stream),
        StreamShape("window", window, quant.stream),
    ]
    for i in range(model.layers):
        for name in ("query", "key", "value"):
            found.append(StreamShape(f"block{i}_{name}", window, linear_layer(design, f"block{i}_{name}").out or quant.stream))
        found += [
            StreamShape(f"block{i}_attention", window, quant.stream),
            StreamShape(f"block{i}_project", window, quant.stream),
            StreamShape(f"block{i}_attended", window, quant.stream),
            StreamShape(f"block{i}_expand", (model.tokens, model.hidden_dim), quant.activation.unsigned()),
            StreamShape(f"block{i}_contract", window, quant.stream),
            StreamShape(f"block{i}_out", window, quant.stream),
        ]
    if model.pool == "mean":
        found.append(StreamShape("pool", (model.embed_dim,), quant.stream))
    return (*found, *_decided(design))


def _streams_of_a_token(design: Design) -> tuple[StreamShape, ...]:
    model, quant, tokenizer = design.model, design.quant, design.tokenizer
    one, state = (model.embed_dim,), (model.embed_dim, model.embed_dim)
    found = [StreamShape("tokens", (tokenizer.features,), tokenizer.token), StreamShape("embed", one, quant.stream)]
    for i in range(model.layers):
        for name in ("query", "key", "value"):
            found.append(StreamShape(f"block{i}_{name}", one, linear_layer(design, f"block{i}_{name}").out or quant.stream))
        found.append(StreamShape(f"block{i}_state", state, quant.stream))
        found += [StreamShape(f"block{i}_{name}", one, quant.stream) for name in ("attention", "project", "attended")]
        found.append(StreamShape(f"block{i}_expand", (model.hidden_dim,), quant.activation.unsigned()))
        found += [StreamShape(f"block{i}_{name}", one, quant.stream) for name in ("contract", "out")]
    return (*found, StreamShape("pool", one, quant.stream), *_decided(design))


def _decided(design: Design) -> tuple[StreamShape, ...]:
    """What leaves the decoder."""
    readout = StreamShape("readout", (design.model.outputs,), linear_layer(design, "readout").acc)
    return (readout,) if design.model.regression else (readout, StreamShape("decision", (1,), decision_format(design)))


def spatial_sum(spec: TokenizerSpec) -> IntFormat:
    """Format of one virtual channel before requantization; every reload of the filter's weights fits it."""
    if spec.spatial is None:
        raise KeyError("the tokenizer has no spatial filter")
    return product_sum(spec.sample, spec.spatial.weight, spec.channels)


def decision_format(design: Design) -> IntFormat:
    """Format of the decided class; a regressor decides for none, and its port shows 0."""
    return IntFormat(1 if design.model.regression else (design.model.outputs - 1).bit_length(), signed=False)


def key_value_sum(design: Design) -> IntFormat:
    """Format of the attention's running sum over a window of key * value, or of a leaky state before its rounding."""
    activation = design.quant.activation
    if design.model.streaming:
        return leak_sum(design, product_sum(activation.unsigned(), activation, 1))
    return product_sum(activation.unsigned(), activation, design.model.tokens)


def leak_sum(design: Design, new: IntFormat) -> IntFormat:
    """Format of ``(3 * old << kept) + (new << added)``, the leaky mean before rounding, whatever shifts `leak_limits` allow."""
    kept, added = leak_limits(design, new)
    old, three = design.quant.stream, (1 << LEAK_SHIFT) - 1
    low = min((three * old.min << kept) + new.min, three * old.min + (new.min << added))
    high = max((three * old.max << kept) + new.max, three * old.max + (new.max << added))
    return enclosing(low, high)


def leak_limits(design: Design, new: IntFormat) -> tuple[int, int]:
    """Largest (kept, added) of a leaky mean of values in `new`: by how much its scale may be coarser, or finer, than theirs.

    Coarser than needed for the largest value it can reach loses bits; LEAK_FINER bits finer it holds what rounds away.
    """
    return max(0, new.bits - design.quant.stream.bits), LEAK_FINER


def attention_sum(design: Design) -> IntFormat:
    """Format of one attention output before requantization: sum over embed_dim of query * state."""
    return product_sum(design.quant.activation.unsigned(), design.quant.stream, design.model.embed_dim)


def key_sum(design: Design) -> IntFormat:
    """Format of the sum of a window's keys, the second running sum of a normalised attention."""
    return IntFormat((design.model.tokens * design.quant.activation.unsigned().max).bit_length(), signed=False)


def attention_weight(design: Design) -> IntFormat:
    """Format of what a normalised attention divides by: sum over embed_dim of query * sum of keys."""
    largest = design.model.embed_dim * design.model.tokens * design.quant.activation.unsigned().max ** 2
    return IntFormat(largest.bit_length(), signed=False)


def token_sum(design: Design) -> IntFormat:
    """Format of the sum of a window's tokens, or of the leaky mean, before its requantization."""
    stream, tokens = design.quant.stream, design.model.tokens
    if design.model.streaming:
        return leak_sum(design, stream)
    return enclosing(tokens * stream.min, tokens * stream.max)


def parameters(design: Design) -> int:
    """Learned numbers of the decoder: weights, biases and positions, and the spatial filter's weights."""
    spec = design.tokenizer
    mixed = spec.channels * spec.spatial.virtual_channels if spec.spatial else 0
    positions = 0 if design.model.streaming else design.model.tokens * design.model.embed_dim
    return sum(layer.parameters for layer in linear_layers(design)) + positions + mixed


def bank_macs(design: Design) -> int:
    """Multiply-adds of the wavelet bank's filters for one decision, which takes one new token: every tap that is not 0, before
    the hardware folds the symmetric ones; the mean where octaves are not evaluated equally often in every token. 0 where
    samples are tokens already."""
    spec = design.tokenizer
    if spec.ready:
        return 0
    kernels = 2 * spec.taps * spec.wavelets_per_octave
    octaves = 1 << spec.octaves  # each is evaluated half as often as the one above it, the first at every second sample
    return spec.bank_channels * spec.token_samples * (kernels * (octaves - 1) + DECIMATOR_TAPS * (octaves - 2)) // octaves


def macs_per_decision(design: Design) -> int:
    """Multiply-adds of the linear layers, the attention and the spatial filter for one decision, which takes one new token; the
    tokenizer's filters come on top (`bank_macs`)."""
    model, spec = design.model, design.tokenizer
    per_state = 3 if model.streaming else 2  # a leaky state is multiplied as well
    attention = per_state * tokens_at_once(design) * model.embed_dim * model.embed_dim * model.layers
    mixing = spec.token_samples * spec.channels * spec.spatial.virtual_channels if spec.spatial else 0
    return sum(layer.macs for layer in linear_layers(design)) + attention + mixing
