"""The frozen specs a design is made of. Every check runs on creation and says who, what, and what to do."""

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from math import gcd

from designs.number_format import INT8, INT12, UINT8, IntFormat

ATTENTION_NORMALISERS = ("none", "shift", "divide")
SIGNALS = ("voltage", "counts", "features")
TASKS = ("classification", "regression")
POOLS = ("mean", "none")
ATTENTIONS = ("window", "stream")
BACKENDS = ("engine", "amaranth", "finn")
DECIMATOR_REACH = 13
"""Samples of history that two neighbouring outputs of the 11-tap half-band decimator look at."""
GAIN_BITS = 8
"""Preprocessing scales a channel by 2 ** -GAIN_BITS to 2 ** GAIN_BITS."""
LOWEST_CENTRE, HIGHEST_CENTRE = 0.1, 0.3
"""Of an octave's rate. Below, 14 taps no longer hold well over a cycle; above, the half-band decimator takes off more than 6 %,
and as much of what lies beyond half the rate folds back onto the wavelet."""
VIRTUAL_PER_CHANNEL = 2
"""Mixes of the same channels add nothing beyond this, but cost wavelets."""
LEAK_SHIFT = 2
"""A streaming decoder's means forget a quarter, 2 ** -LEAK_SHIFT, with every token, and take a quarter of what is new."""
STILL_AT_MOST = (1 << 16) - 1
"""Samples without a change that preprocessing can count."""


class DesignError(ValueError):
    """A design that cannot be built; the message names the design field and the values that work."""


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise DesignError(message)


def _positive(spec: object, *names: str) -> None:
    for name in names:
        value = getattr(spec, name)
        _require(
            isinstance(value, int) and not isinstance(value, bool) and value > 0,
            f"{type(spec).__name__}: {name}={value!r} is not a positive whole number",
        )


@dataclass(frozen=True)
class SpatialSpec:
    """A linear mix of the channels in front of the wavelets, learned at calibration (docs/blocks/spatial_filter.md).

    Its outputs, the virtual channels, have the sample format: ``virtual = saturate((weight @ sample + half) >> shift)``.
    """

    virtual_channels: int
    weight: IntFormat = INT8

    def __post_init__(self) -> None:
        _positive(self, "virtual_channels")
        _require(
            isinstance(self.weight, IntFormat) and self.weight.signed and 2 <= self.weight.bits <= 8,
            f"SpatialSpec: weight={self.weight} must be a signed format of 2 to 8 bits",
        )


@dataclass(frozen=True)
class PreprocessSpec:
    """What is done to samples first, with a gain and a mask per channel learned at calibration (docs/blocks/preprocess.md).

    A leaky average of time constant 2 ** drift_bits samples is taken off (0: no average), the rest scaled by a power of two;
    a channel that has not changed for `dead_after` samples gives zeros until it changes.
    """

    drift_bits: int
    dead_after: int

    def __post_init__(self) -> None:
        _positive(self, "dead_after")
        _require(
            self.dead_after <= STILL_AT_MOST,
            f"PreprocessSpec: dead_after={self.dead_after} is out of range; use 1 to {STILL_AT_MOST} samples",
        )
        _require(
            isinstance(self.drift_bits, int) and not isinstance(self.drift_bits, bool) and 0 <= self.drift_bits <= 16,
            f"PreprocessSpec: drift_bits={self.drift_bits!r} is out of range; use 0 to 16, 0 for no average",
        )


@dataclass(frozen=True)
class TokenizerSpec:
    """The integer Morlet bank, behind preprocessing and a spatial filter if there are any: octaves at halved rates, each with
    the same `wavelets // octaves` kernels.

    The highest wavelet is centred on sample_hz / 4, or where `centres` say; each octave lies a factor two lower. A kernel
    spans `taps` samples of its octave's rate and `cycles` cycles of its centre frequency (standard deviation
    cycles / (2 pi f)).
    Samples are taken in pairs: an octave is evaluated on every second of its samples.

    Where `signal` is counts or features the samples are tokens already, one value per channel and in the token format: there is
    no bank, `wavelets` and `octaves` are 1, `taps` and `cycles` 0, and a token is one sample.
    """

    channels: int
    sample_hz: int
    wavelets: int
    octaves: int
    taps: int
    cycles: float
    token_ms: int
    sample: IntFormat = INT12
    kernel_bits: int = 8
    fraction_bits: int = 4
    """Bits kept below the converter's least significant bit in a magnitude."""
    token: IntFormat = UINT8
    electrodes: tuple[str, ...] = ()
    """Names of the channels to take from a recording; empty: its first `channels`."""
    spatial: SpatialSpec | None = None
    signal: str = "voltage"
    """What a sample is: one of SIGNALS."""
    preprocess: PreprocessSpec | None = None
    """What is done to samples before anything else; None: nothing."""
    centres: tuple[float, ...] = ()
    """Centre frequencies of an octave's wavelets as fractions of its sampling rate, descending, such as models.learn_centres
    finds; empty: spaced evenly over an octave (`relative_centres`)."""

    def __post_init__(self) -> None:
        _positive(self, "channels", "sample_hz", "token_ms")
        _require(self.signal in SIGNALS, f"TokenizerSpec: signal={self.signal!r} is unknown; use one of {', '.join(SIGNALS)}")
        _require(not self.token.signed, f"TokenizerSpec: token={self.token} must be unsigned, magnitudes have no sign")
        _require(
            not self.electrodes or len(self.electrodes) == self.channels,
            f"TokenizerSpec: {len(self.electrodes)} electrodes named for channels={self.channels}; name all of them or none",
        )
        self._check_front()
        if self.signal == "voltage":
            self._check_bank()
        else:
            self._check_ready_tokens()

    def _check_front(self) -> None:
        """What stands in front of the wavelets, where anything does."""
        spatial, preprocess = self.spatial, self.preprocess
        _require(
            spatial is None or isinstance(spatial, SpatialSpec),
            f"TokenizerSpec: spatial={spatial!r} is no SpatialSpec; write spatial=SpatialSpec(virtual_channels=8), or None",
        )
        _require(
            preprocess is None or isinstance(preprocess, PreprocessSpec),
            f"TokenizerSpec: preprocess={preprocess!r} is no PreprocessSpec; write "
            f"preprocess=PreprocessSpec(drift_bits=8, dead_after=1200), or None",
        )
        _require(
            spatial is None or spatial.virtual_channels <= VIRTUAL_PER_CHANNEL * self.channels,
            f"TokenizerSpec: spatial.virtual_channels={spatial and spatial.virtual_channels} is out of range for "
            f"channels={self.channels}; use 1 to {VIRTUAL_PER_CHANNEL * self.channels}",
        )

    def _check_ready_tokens(self) -> None:
        _require(
            (self.wavelets, self.octaves, self.taps, self.cycles) == (1, 1, 0, 0) and self.spatial is None,
            f"TokenizerSpec: signal={self.signal!r} comes as tokens; use wavelets=1, octaves=1, taps=0, cycles=0, spatial=None",
        )
        _require(
            self.preprocess is None,
            f"TokenizerSpec: signal={self.signal!r} comes as tokens, which are not preprocessed; use preprocess=None",
        )
        _require(
            self.centres == (),
            f"TokenizerSpec: signal={self.signal!r} comes as tokens, behind which are no wavelets; use centres=()",
        )
        _require(
            self.token_ms == round(1000 / self.sample_hz),
            f"TokenizerSpec: token_ms={self.token_ms} is not one sample of {self.sample_hz} Hz; "
            f"use token_ms={round(1000 / self.sample_hz)}",
        )

    def _check_bank(self) -> None:
        _positive(self, "wavelets", "octaves", "taps", "kernel_bits", "fraction_bits")
        _require(
            self.wavelets % self.octaves == 0,
            f"TokenizerSpec: wavelets={self.wavelets} is not a multiple of octaves={self.octaves}",
        )
        _require(
            self.taps % 2 == 0 and DECIMATOR_REACH < self.taps <= 64,
            f"TokenizerSpec: taps={self.taps} must be even, from 14 to 64",
        )
        _require(0.5 <= self.cycles <= 20, f"TokenizerSpec: cycles={self.cycles} is out of range; use 0.5 to 20")
        _require(
            self.sample_hz * self.token_ms % 2000 == 0,
            f"TokenizerSpec: token_ms={self.token_ms} at sample_hz={self.sample_hz} is "
            f"{self.sample_hz * self.token_ms / 1000:g} samples; choose token_ms so that a token has an even number of samples",
        )
        _require(
            self.token_pairs >= 1 << (self.octaves - 1),
            f"TokenizerSpec: a token of {self.token_samples} samples is too short for octaves={self.octaves}; "
            f"use at least {2 << (self.octaves - 1)} samples per token or fewer octaves",
        )
        _require(self.sample.signed, f"TokenizerSpec: sample={self.sample} must be signed")
        self._check_centres()

    def _check_centres(self) -> None:
        found = self.centres
        _require(
            isinstance(found, tuple) and all(type(centre) is float for centre in found),
            f"TokenizerSpec: centres={found!r} is no tuple of floats; write centres=(0.25, 0.18), or () for even spacing",
        )
        _require(
            len(found) in (0, self.wavelets_per_octave),
            f"TokenizerSpec: centres={found} are {len(found)} for wavelets_per_octave={self.wavelets_per_octave}; "
            f"give one for each, or () for even spacing",
        )
        _require(
            all(LOWEST_CENTRE <= centre <= HIGHEST_CENTRE for centre in found),
            f"TokenizerSpec: centres={found} are out of range; use {LOWEST_CENTRE} to {HIGHEST_CENTRE} of the octave's rate",
        )
        _require(
            all(higher > lower for higher, lower in pairwise(found)),
            f"TokenizerSpec: centres={found} must descend, each once",
        )

    @property
    def bank_channels(self) -> int:
        """Channels that the wavelets see: the virtual ones where there is a spatial filter."""
        return self.spatial.virtual_channels if self.spatial else self.channels

    @property
    def bank(self) -> "TokenizerSpec":
        """What stands behind preprocessing and spatial filter: this tokenizer itself where there is neither."""
        if self.spatial is None:
            return replace(self, preprocess=None) if self.preprocess else self
        return replace(self, channels=self.bank_channels, electrodes=(), spatial=None, preprocess=None)

    @property
    def ready(self) -> bool:
        """Whether samples are tokens already."""
        return self.signal != "voltage"

    @property
    def input(self) -> IntFormat:
        """Format of what the decoder is fed: samples, or ready-made tokens."""
        return self.token if self.ready else self.sample

    @property
    def wavelets_per_octave(self) -> int:
        return self.wavelets // self.octaves

    @property
    def relative_centres(self) -> tuple[float, ...]:
        """Centre frequencies of every octave's wavelets as fractions of its sampling rate, descending."""
        count = self.wavelets_per_octave
        return self.centres or tuple(0.25 * 2 ** (-j / count) for j in range(count))

    @property
    def features(self) -> int:
        """Values per token, ordered [channel, octave, wavelet of the octave]."""
        return self.bank_channels * self.wavelets

    @property
    def token_samples(self) -> int:
        return 1 if self.ready else self.sample_hz * self.token_ms // 1000

    @property
    def token_pairs(self) -> int:
        return self.token_samples // 2

    @property
    def magnitude(self) -> IntFormat:
        return IntFormat(self.sample.bits + self.fraction_bits, signed=False)

    def pool_unit_pairs(self, octave: int) -> int:
        """The stretch of time, in sample pairs, in which this octave's magnitudes are weighed (docs/blocks/pool.md)."""
        return gcd(1 << octave, self.token_pairs)

    @property
    def pool(self) -> IntFormat:
        """The narrowest format that holds any octave's pooled magnitude."""
        terms = max(self.token_pairs // self.pool_unit_pairs(octave) for octave in range(self.octaves))
        return IntFormat((terms * self.magnitude.max).bit_length(), signed=False)

    @property
    def token_shift(self) -> IntFormat:
        """Of the right shifts that make tokens of pooled magnitudes: at least two more than the largest magnitude needs. Tokens
        that come as they are have shifts of 0."""
        largest = 0 if self.ready else max(0, self.pool.bits - self.token.bits)
        return IntFormat((largest + 2).bit_length(), signed=False)


@dataclass(frozen=True)
class ModelSpec:
    """The implantable neural decoder: linear embedding, `layers` of ReLU linear attention and feed-forward, mean, readout.

    A classifier decides for the largest of its `outputs`; a regressor's `outputs` are values, standardised in training.
    With attention="stream" no window is kept: states forget (LEAK_SHIFT), and a decision costs one token's work. `tokens` is
    then how many must have come since reset before the first decision, and how many training unrolls.
    """

    tokens: int
    embed_dim: int
    layers: int
    hidden_dim: int
    outputs: int
    normaliser: str = "none"
    task: str = "classification"
    pool: str = "mean"
    """mean: the readout sees the mean of the window's tokens; none: all of them, row-major, `tokens * embed_dim` values."""
    attention: str = "window"
    """window: every token sees the whole window, whose mean is read out. stream: a token sees itself and, leakily, all before
    it since reset; the mean is leaky too, and tokens have no position."""

    def __post_init__(self) -> None:
        _require(
            self.attention in ATTENTIONS,
            f"ModelSpec: attention={self.attention!r} is unknown; use {' or '.join(ATTENTIONS)}",
        )
        _require(self.pool in POOLS, f"ModelSpec: pool={self.pool!r} is unknown; use one of {', '.join(POOLS)}")
        _require(self.task in TASKS, f"ModelSpec: task={self.task!r} is unknown; use one of {', '.join(TASKS)}")
        _positive(self, "tokens", "embed_dim", "layers", "hidden_dim", "outputs")
        _require(self.tokens >= 2, f"ModelSpec: tokens={self.tokens} leaves nothing to attend to; use at least 2")
        _require(
            self.outputs >= 2 or self.regression,
            f"ModelSpec: outputs={self.outputs} leaves nothing to decide; use at least 2",
        )
        _require(
            self.normaliser in ATTENTION_NORMALISERS,
            f"ModelSpec: normaliser={self.normaliser!r} is unknown; use one of {', '.join(ATTENTION_NORMALISERS)}",
        )
        if self.streaming:
            _require(
                self.pool == "mean",
                f"ModelSpec: attention='stream' keeps no window that pool={self.pool!r} could read out; use pool='mean'",
            )
            _require(
                self.normaliser == "none",
                f"ModelSpec: attention='stream' has no sum of keys for normaliser={self.normaliser!r}; use normaliser='none'",
            )

    @property
    def streaming(self) -> bool:
        """Whether states run on from token to token and no window is kept."""
        return self.attention == "stream"

    @property
    def regression(self) -> bool:
        return self.task == "regression"

    @property
    def pooled_dim(self) -> int:
        """Inputs of the readout."""
        return self.embed_dim if self.pool == "mean" else self.tokens * self.embed_dim

    @property
    def mean_shift(self) -> int:
        """Sums over tokens are scaled by 2 ** -mean_shift, the power of two next above `tokens`: no divider in hardware. A
        leaky mean takes 2 ** -LEAK_SHIFT of what is new."""
        return LEAK_SHIFT if self.streaming else (self.tokens - 1).bit_length()


@dataclass(frozen=True)
class QuantSpec:
    """Bit widths. `activation`: inside blocks (query, key, value, hidden). `stream`: the residual stream, KV state,
    attention output and pooled vector."""

    weight: IntFormat
    activation: IntFormat
    stream: IntFormat = INT8

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _require(
                isinstance(value, IntFormat) and value.signed and 2 <= value.bits <= 8,
                f"QuantSpec: {field.name}={value} must be a signed format of 2 to 8 bits",
            )


@dataclass(frozen=True)
class HardwareSpec:
    """How the decoder is built.

    stage_cycles: what each stage behind the tokenizer may take; hw.plan.folding picks multipliers for it. The
    tokenizer's pace follows from its samples; stages work side by side, so decisions come at the pace of the slowest.
    """

    target: str
    clock_khz: int
    stage_cycles: int
    latency_budget_ms: float = 50.0
    backend: str = "amaranth"

    def __post_init__(self) -> None:
        _positive(self, "clock_khz", "stage_cycles")
        _require(self.latency_budget_ms > 0, f"HardwareSpec: latency_budget_ms={self.latency_budget_ms} must be positive")
        _require(
            self.backend in BACKENDS, f"HardwareSpec: backend={self.backend!r} is unknown; use one of {', '.join(BACKENDS)}"
        )


@dataclass(frozen=True)
class Design:
    """One decoder, from the samples it takes to the silicon it is built in."""

    name: str
    tokenizer: TokenizerSpec
    model: ModelSpec
    quant: QuantSpec
    hardware: HardwareSpec

    def __post_init__(self) -> None:
        _require(self.name.isidentifier(), f"Design: name={self.name!r} must be letters, digits and underscores")
        cycles_available = self.hardware.clock_khz * self.tokenizer.token_ms
        _require(
            cycles_available >= self.hardware.stage_cycles,
            f"{self.name}: clock_khz={self.hardware.clock_khz} gives {cycles_available} cycles per decision, fewer than "
            f"hardware.stage_cycles={self.hardware.stage_cycles}; raise the clock",
        )
        _require(
            not self.model.streaming or self.hardware.backend == "engine",
            f"{self.name}: model.attention='stream' has no hardware.backend={self.hardware.backend!r}; use backend='engine'",
        )

    @property
    def decisions_per_s(self) -> float:
        """One decision per token, over the last `model.tokens` tokens, or over all since reset where they stream."""
        return 1000 / self.tokenizer.token_ms
