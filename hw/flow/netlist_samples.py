"""What the gate-level decoder is fed, stretches of the recording and noise, and how its transfers are judged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from designs.layer_table import decision_format
from designs.schema import Design
from hw.power.gate_simulator import LANES
from quant.golden.exactness import Row, compare
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import trace_samples

PAIR = "netlist = golden"
LEAST_SIGNAL_S, LEAST_DECISIONS = 20.0, 3
"""Counted of the recording: seconds of signal over all lanes, and decisions of each."""
NOISE_DECISIONS = 1
"""Counted of the noise, of each lane."""
SPARE_TOKENS = 8
"""Fed behind the counted decisions: the tokenizer runs ahead of the decision by the depth of the pipeline, and must stay busy
until the last counted decision is out."""
READOUT_BITS = 32


class NetlistRunError(RuntimeError):
    """The netlist could not be run to its end; one line."""


@dataclass(frozen=True)
class Stretches:
    """`samples`: int64 [samples, channels] of each lane. `windows`: distinct ones among those that the lanes decide;
    `signal_s`: distinct seconds of the recording among the tokens whose decisions are counted."""

    samples: list[np.ndarray]
    windows: int
    signal_s: float


def counted_decisions(design: Design) -> int:
    """Of each lane: as many as LEAST_SIGNAL_S take."""
    return max(LEAST_DECISIONS, ceil(LEAST_SIGNAL_S / (LANES * design.tokenizer.token_ms / 1000)))


def choose_stretches(design: Design, streams: Sequence[np.ndarray], decisions: int) -> Stretches:
    """64 stretches, each enough for `decisions` counted decisions in steady state.

    They begin at whole tokens, spread evenly over all streams, and each is decoded from reset. They overlap where the recording
    is short. One runs over from a stream into the next only where no single stream is long enough.
    """
    length = design.tokenizer.token_samples
    tokens = design.model.tokens + decisions + SPARE_TOKENS
    whole = [stream[: len(stream) // length * length] for stream in streams]
    if all(len(stream) < tokens * length for stream in whole):
        whole = [np.concatenate(whole)]
    places = [(at, first) for at, stream in enumerate(whole) for first in range(len(stream) // length - tokens + 1)]
    if not places:
        raise NetlistRunError(
            f"{design.name}: the test streams have {len(whole[0]) // length} tokens, gate-level activity needs {tokens}; "
            "use a longer recording"
        )
    chosen = [places[at] for at in np.linspace(0, len(places) - 1, LANES).astype(int)]
    stretches = [whole[at][first * length : (first + tokens) * length].astype(np.int64) for at, first in chosen]
    given = len(golden_rows(design, len(stretches[0])))
    distinct = {(at, first + later) for at, first in chosen for later in range(given)}
    counted = {(at, first + design.model.tokens + later) for at, first in chosen for later in range(decisions)}
    return Stretches(stretches, len(distinct), len(counted) * design.tokenizer.token_ms / 1000)


def noise(design: Design, *, seed: int) -> np.ndarray:
    """int64 [LANES, samples, channels]: every value of the input's format equally often on every channel, independent from
    sample to sample: more than any recording makes the decoder toggle. Enough for NOISE_DECISIONS whose windows hold noise
    alone."""
    tokens = design.model.tokens + NOISE_DECISIONS + SPARE_TOKENS
    shape = (LANES, tokens * design.tokenizer.token_samples, design.tokenizer.channels)
    return np.random.default_rng(seed).integers(design.tokenizer.input.min, design.tokenizer.input.max + 1, shape)


def golden_rows(design: Design, samples: int) -> range:
    """The decisions that so many samples of a lane give."""
    return range(samples // design.tokenizer.token_samples - design.model.tokens + 1)


def compare_with_golden(
    design: Design, parameters: IntegerParameters, stretches: list[np.ndarray], transfers: list[np.ndarray], windows: int
) -> list[Row]:
    """Rows of exactness.json for readout, decision (0 of a regressor) and tlast: every transfer of every lane against the
    golden model.

    `windows`: how many of the lanes' windows are distinct.
    """
    shape = (len(golden_rows(design, len(stretches[0]))), design.model.outputs)
    class_bits = decision_format(design).bits
    found: dict[str, list[np.ndarray]] = {"readout": [], "decision": [], "tlast": []}
    expected: dict[str, list[np.ndarray]] = {"readout": [], "decision": [], "tlast": []}
    framing = np.tile(np.arange(shape[1]) == shape[1] - 1, (shape[0], 1)).astype(int)
    for stretch, values in zip(stretches, transfers, strict=True):
        golden = trace_samples(stretch, parameters)
        rows = values[: shape[0] * shape[1]].reshape(shape)
        data = rows & ((1 << READOUT_BITS) - 1)
        found["readout"].append(np.where(data >> (READOUT_BITS - 1), data - (1 << READOUT_BITS), data))
        found["decision"].append(rows[:, -1:] >> READOUT_BITS & ((1 << class_bits) - 1))
        found["tlast"].append(rows >> (READOUT_BITS + class_bits) & 1)
        expected["tlast"].append(framing)
        expected["readout"].append(golden["readout"])
        expected["decision"].append(golden["decision"].reshape(-1, 1) if "decision" in golden else np.zeros((shape[0], 1), int))
    joined = ({name: np.concatenate(parts) for name, parts in trace.items()} for trace in (expected, found))
    return [replace(row, windows=windows) for row in compare(PAIR, *joined)]
