"""Sample streams cut into segments with their expected transfers on disk: what one run of the C++ harness works through."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from designs.schema import Design
from hw.plan.taps import Tap

SEGMENT_DECISIONS = 512
"""Decisions per segment at most: bounds memory and disk (28 kB per decision of ind_int4), spreads streams over processes."""

Tracer = Callable[[np.ndarray], dict[str, np.ndarray]]
"""samples [samples, channels] from reset -> every stream by name, as quant.golden.trace.trace_samples gives them."""


@dataclass(frozen=True)
class Segment:
    """Consecutive whole tokens of one stream. They are decoded from reset, in hardware and golden model alike."""

    stream: int
    first_token: int
    tokens: int
    samples: np.ndarray
    """int16 [tokens * token_samples, channels]."""


def cut_segments(design: Design, streams: Sequence[np.ndarray], decisions: int = SEGMENT_DECISIONS) -> Iterator[Segment]:
    """Whole streams where they are short enough, else segments that overlap by tokens - 1, so that no decision is lost.

    Streams too short for one decision are left out. Raises ValueError for samples of another shape or range.
    """
    length, window = design.tokenizer.token_samples, design.model.tokens
    for index, samples in enumerate(streams):
        _check(design, index, samples)
        total = len(samples) // length
        for first in range(0, total - window + 1, decisions):
            tokens = min(decisions + window - 1, total - first)
            yield Segment(index, first, tokens, samples[first * length : (first + tokens) * length].astype(np.int16))


def _check(design: Design, index: int, samples: np.ndarray) -> None:
    tokenizer = design.tokenizer
    if samples.ndim != 2 or samples.shape[1] != tokenizer.channels:
        raise ValueError(
            f"{design.name}: stream {index} has shape {samples.shape} where [samples, {tokenizer.channels}] is needed"
        )
    if samples.size and (samples.min() < tokenizer.input.min or samples.max() > tokenizer.input.max):
        raise ValueError(f"{design.name}: stream {index} has samples beyond {tokenizer.input}; digitise it first")


def write_segment(segment: Segment, folder: Path, taps: Sequence[Tap], trace: Tracer) -> dict[str, int]:
    """Samples and expected transfers to `folder`; returns the number of values per tap (and at the port, `m_axis`)."""
    folder.mkdir(parents=True, exist_ok=True)
    segment.samples.astype("<i2").tofile(folder / "samples.i16")
    found = trace(segment.samples.astype(np.int64))
    counts = {}
    for tap in taps:
        tap.in_order(found[tap.name]).astype("<i4").tofile(folder / f"{tap.name}.i32")
        counts[tap.name] = found[tap.name].size
    port = port_transfers(found["readout"], found.get("decision"))
    port.astype("<i4").tofile(folder / "m_axis.i32")
    return counts | {"m_axis": port.size}


def port_transfers(readout: np.ndarray, decision: np.ndarray | None) -> np.ndarray:
    """readout [decisions, outputs], decision [decisions, 1] -> [decisions, outputs, 2]: (tdata, class where tlast, else 0).

    A regressor has no decision; its class is 0.
    """
    marks = np.zeros_like(readout)
    if decision is not None:
        marks[:, -1] = decision[:, 0]
    return np.stack([readout, marks], axis=-1)
