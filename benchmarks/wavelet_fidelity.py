"""How near the integer bank comes to the float Morlet, kernel by kernel: shorter ones have fewer bits to read and write."""

from dataclasses import replace
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.nn import functional

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet
from designs.schema import Design, DesignError, TokenizerSpec
from models.datasets.catalogue import recording_for
from models.metrics import correlation
from models.preprocessing import preprocessed_streams
from models.recording import RecordingError
from models.wavelets import pooled
from models.windows import decoding_set
from quant.golden.pool import pooled_magnitudes

CYCLES, TAPS = (3.0, 3.5, 4.0, 4.5, 5.0), (14, 16, 18, 20, 24)
WHOLE_TAPS = 48
"""Of the float kernels: five standard deviations or more to either side, with two wavelets an octave and CYCLES."""
CHANNELS, TOKENS, SETTLING = 8, 400, 12
"""What is compared: the first channels and tokens of a stream, without the first tokens and as many at its end."""


def whole_kernel_magnitudes(codes: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """codes [samples, channels] -> float [tokens, channels, wavelets]: magnitudes of kernels that are not cut off, centred in
    time where those of `spec` are."""
    tokens, whole = len(codes) // spec.token_samples, replace(spec, taps=WHOLE_TAPS)
    found = []
    for octave in range(spec.octaves):
        later = (WHOLE_TAPS - spec.taps) // 2 << octave
        signal = functional.pad(torch.from_numpy(codes).float().T, (0, later))[:, later:]
        signal = signal[:, : tokens * spec.token_samples].contiguous()
        found.append(pooled(signal, whole, octave, tokens).permute(2, 0, 1).numpy())
    return np.concatenate(found, axis=2)


def fidelity(codes: np.ndarray, spec: TokenizerSpec) -> np.ndarray:
    """Correlation over tokens of each wavelet [wavelets], integer bank against whole float kernels, mean over channels."""
    integer = pooled_magnitudes(codes.astype(np.int64), spec).reshape(-1, codes.shape[1], spec.wavelets)
    whole, settled = whole_kernel_magnitudes(codes, spec), slice(SETTLING, -SETTLING)
    each = [correlation(whole[settled, :, wavelet], integer[settled, :, wavelet]) for wavelet in range(spec.wavelets)]
    return np.array(each)


def codes_of(name: str, recording: str | None, task: str | None, *, command: str) -> tuple[Design, np.ndarray]:
    """The design called `name` and its `stretch` of the recording; one line and exit code 2 where there is none."""
    try:
        design = find_design(name)
        if design.tokenizer.ready:
            raise DesignError(f"{name}: has no wavelet bank; name a design that starts from voltages")
        return design, stretch(decoding_set(recording_for(design, recording, task, seed=0), design), design)
    except (DesignError, RecordingError) as error:
        Console(stderr=True, markup=False, emoji=False).print(f"benchmarks.{command}: {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from error


def stretch(found: DecodingSet, design: Design) -> np.ndarray:
    """int16 [samples, channels] of the first stream, as the bank sees them without a spatial filter."""
    return preprocessed_streams(found, design)[0][: TOKENS * design.tokenizer.token_samples, :CHANNELS]


def command(
    design: Annotated[str, typer.Argument(help="a design with a wavelet bank")],
    recording: Annotated[str | None, typer.Option(help="FILE, FOLDER or moabb:NAME; default: generated")] = None,
    task: Annotated[str | None, typer.Option(help="the recording's task")] = None,
) -> None:
    """Correlation of integer and float magnitudes per kernel length.

    Example: python -m benchmarks.wavelet_fidelity ind_int4
    """
    found, codes = codes_of(design, recording, task, command="wavelet_fidelity")
    table = Table("cycles", "taps", "worst wavelet", "mean", "state, bits per channel and octave")
    for cycles in CYCLES:
        for taps in TAPS:
            spec = replace(found.tokenizer, channels=codes.shape[1], electrodes=(), spatial=None, taps=taps, cycles=cycles)
            each = fidelity(codes, spec)
            bits = (taps - 2) * spec.sample.bits
            table.add_row(f"{cycles:g}", str(taps), f"{each.min():.3f}", f"{each.mean():.3f}", str(bits))
    Console().print(table)


if __name__ == "__main__":
    typer.run(command)
