"""Ways to build the wavelet bank: how near each comes to the float Morlet, beside what it adds, reads, writes and keeps."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import numpy as np
import torch
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks import wavelet_families as families
from benchmarks.wavelet_families import output_stride, pooled_tokens
from benchmarks.wavelet_fidelity import SETTLING, WHOLE_TAPS, codes_of, fidelity
from benchmarks.wavelet_work import UNITS, Work, direct_work, multirate_work, recursive_work
from designs.catalogue import CATALOGUE, find_design
from designs.schema import TokenizerSpec
from hw.report.plots import BAD, GOOD, GRID, INK, MUTED, STYLE
from models.metrics import correlation
from models.wavelets import DECIMATOR_DELAY, pooled, stride_samples
from quant.golden.magnitude import magnitude

CORRELATIONS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
"""Marks of the picture's axis."""
MARKED = ("ind_int4", "ind_stream_int4", "eeg_int4")
MULTIRATE_TAPS, DIRECT_TAPS, SLIDING = (14, 16, 18, 20, 24), (14, 16, 20, 24), ((1, 14), (2, 14), (3, 14), (4, 16), (5, 18))
RESONATORS = ((1, 1.4, 0.6), (2, 1.2, 0.8), (3, 1.0, 0.8), (4, 1.0, 0.9))
"""Poles in a row, bandwidth over that of the Morlet, lag over the delay of their envelope at the centre: about the best of each
in floating point, of 0.7 to 1.8 and 0.6 to 1."""
BITS, RESONATOR_BITS, FEWER_BITS = (12, 4), (12, 8), ((10, 4), (12, 2), (10, 2))
"""Of a pole below one, of a state below a sample. A difference of samples leaves little of low wavelets: 4 bits lose them."""


@dataclass(frozen=True)
class Point:
    """correlation: with the float Morlet, [wavelets]."""

    family: str
    name: str
    correlation: np.ndarray
    work: Work


def against_whole(codes: np.ndarray, spec: TokenizerSpec, octave: int, late: float) -> np.ndarray:
    """Pooled magnitudes [tokens, channels, wavelets_per_octave] of float kernels that are not cut off, whose middle lies `late`
    samples before the middle of what a point stands for."""
    whole, unit, stride = replace(spec, taps=WHOLE_TAPS), 1 << octave, stride_samples(spec, octave)
    before = (WHOLE_TAPS << octave) - (stride + unit + 1) // 2 + DECIMATOR_DELAY * (unit - 1)
    later = round((stride - 1) / 2 + before - ((WHOLE_TAPS << octave) - 1) / 2 - late)
    signal = torch.from_numpy(np.roll(codes, -later, axis=0).astype(np.float32).T.copy())  # its ends are not compared
    return pooled(signal, whole, octave, len(codes) // spec.token_samples).permute(2, 0, 1).numpy()


def compared(codes: np.ndarray, spec: TokenizerSpec, wavelet: int, found: np.ndarray, late: float) -> float:
    """found [tokens, channels]: pooled magnitudes of one wavelet."""
    octave, j = divmod(wavelet, spec.wavelets_per_octave)
    settled = slice(SETTLING, -SETTLING)
    return correlation(against_whole(codes, spec, octave, late)[settled, :, j], found[settled])


def direct_point(codes: np.ndarray, spec: TokenizerSpec, *, every_sample: bool) -> Point:
    strides = [1 if every_sample else output_stride(spec, octave) for octave in range(spec.octaves)]
    each = []
    for wavelet in range(spec.wavelets):
        octave, j = divmod(wavelet, spec.wavelets_per_octave)
        if j == 0:
            found = families.direct_magnitudes(codes, spec, octave, strides[octave])
        each.append(compared(codes, spec, wavelet, found[..., j], ((spec.taps << octave) - strides[octave]) / 2))
    family = "direct FIR, every sample" if every_sample else "direct FIR, at the outputs' rate"
    return Point(family, f"{spec.taps} taps", np.array(each), direct_work(spec, strides))


def recursive_correlations(codes: np.ndarray, spec: TokenizerSpec, magnitudes: np.ndarray, late: list[float]) -> np.ndarray:
    """magnitudes [samples, channels, wavelets], late: samples by which each wavelet lags its newest sample."""
    each = []
    for wavelet in range(spec.wavelets):
        stride = output_stride(spec, wavelet // spec.wavelets_per_octave)
        found = pooled_tokens(magnitudes[stride - 1 :: stride, :, wavelet], spec.token_samples // stride)
        each.append(compared(codes, spec, wavelet, found, late[wavelet] - (stride - 1) / 2))
    return np.array(each)


def resonator_point(codes: np.ndarray, spec: TokenizerSpec, poles: int, bandwidth: float, lag: float) -> Point:
    bits = RESONATOR_BITS
    ideal = families.resonator_poles(spec, poles, bandwidth)
    found = families.recursion(ideal, np.zeros(len(ideal), np.int64), spec, pole_bits=bits[0], fraction=bits[1])
    values = magnitude(families.run_resonators(codes, found, poles))
    late = (lag * poles * np.abs(ideal) / (1 - np.abs(ideal))).tolist()
    each = recursive_correlations(codes, spec, values, late)
    name = f"{poles} in a row, {_bits(*bits, spec)}"
    return Point("resonators", name, each, recursive_work(spec, found, poles, None))


def sliding_point(codes: np.ndarray, spec: TokenizerSpec, components: int, bits: tuple[int, int]) -> Point:
    found = families.sliding_recursion(spec, components, pole_bits=bits[0], fraction=bits[1])
    weights = families.sliding_weights(spec, found)
    samples = codes.astype(np.int64)
    states = families.run_recursion(np.stack([samples, np.zeros_like(samples)], axis=-1)[:, :, None], found)
    late = [((spec.taps << wavelet // spec.wavelets_per_octave) - 1) / 2 for wavelet in range(spec.wavelets)]
    each = recursive_correlations(codes, spec, magnitude(families.join(states, weights)), late)
    name = f"{components} x {spec.taps} taps, {_bits(*bits, spec)}"
    return Point("sliding, attenuated", name, each, recursive_work(spec, found, 1, weights))


def multirate_point(codes: np.ndarray, spec: TokenizerSpec, name: str) -> Point:
    return Point("multirate (this bank)", name, fidelity(codes, spec), multirate_work(spec))


def points(codes: np.ndarray, spec: TokenizerSpec) -> Iterator[Point]:
    """All families at the design's rate, cycles and bits; `spec` has the channels of `codes`."""
    for taps in MULTIRATE_TAPS:
        yield multirate_point(codes, replace(spec, taps=taps), f"{taps} taps")
    for every_sample in (False, True):
        for taps in DIRECT_TAPS:
            yield direct_point(codes, replace(spec, taps=taps), every_sample=every_sample)
    for poles, bandwidth, lag in RESONATORS:
        yield resonator_point(codes, spec, poles, bandwidth, lag)
    for components, taps in SLIDING:
        yield sliding_point(codes, replace(spec, taps=taps), components, BITS)
    for bits in FEWER_BITS:
        yield sliding_point(codes, replace(spec, taps=SLIDING[3][1]), SLIDING[3][0], bits)


def with_channels(name: str, channels: int) -> TokenizerSpec:
    return replace(find_design(name).tokenizer.bank, channels=channels, electrodes=())


def picture(found: list[Point], marks: list[Point], costs: dict[str, list[float]], marked_nj: list[float], title: str) -> str:
    """SVG: one minus the worst correlation over nJ, both logarithmic; a line per family, a mark per design."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 4.6), layout="constrained")
        axes = figure.subplots()
        colours = dict(zip(costs, (GOOD, "#7fb77e", MUTED, BAD, "#e0a030"), strict=True))
        for family, nj in costs.items():
            worst = [1 - point.correlation.min() for point in found if point.family == family]
            axes.plot(nj, worst, marker="o", markersize=4, linewidth=1.4, color=colours[family], label=family)
        for shape, point, own_nj in zip("*Ds", marks, marked_nj, strict=True):
            axes.plot(
                own_nj, 1 - point.correlation.min(), shape, color=INK, markersize=11 if shape == "*" else 6, label=point.name
            )
        axes.axhline(1 - 0.98, color=MUTED, linewidth=0.8, linestyle=":")
        axes.set(xscale="log", yscale="log", ylim=(1, 3e-4), title=title)
        axes.set(xlabel="nJ per decision, all channels", ylabel="correlation, worst wavelet")
        axes.set_yticks([1 - value for value in CORRELATIONS], [f"{value:g}" for value in CORRELATIONS])
        ticks = [value for value in (100, 200, 500, 1000, 2000, 5000, 10000) if value <= 2 * max(map(max, costs.values()))]
        axes.set_xticks(ticks, [f"{value:,}" for value in ticks])
        axes.minorticks_off()
        axes.grid(color=GRID)
        figure.legend(frameon=False, ncols=3, loc="outside lower center", fontsize=9)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        return text.getvalue()


def show(found: list[Point], spec: TokenizerSpec, console: Console) -> None:
    headings = ("bank", "worst wavelet", "mean", "additions/s", "bits read/s", "bits written/s", "bits kept", "nJ per decision")
    table = Table(*headings, caption=UNITS)
    rate = spec.sample_hz * spec.bank_channels
    for point in found:
        work = point.work
        numbers = [f"{value * rate / 1e6:.2f} M" for value in (work.adders, work.read_bits, work.written_bits)]
        kept = f"{work.kept_bits * spec.bank_channels:,.0f}"
        worst, mean = (f"{value:.3f}" for value in (point.correlation.min(), point.correlation.mean()))
        table.add_row(f"{point.family}: {point.name}", worst, mean, *numbers, kept, f"{work.nj(spec):,.0f}")
    console.print(table)


def command(
    design: Annotated[str, typer.Argument(help="a design with a wavelet bank")] = "ind_int4",
    recording: Annotated[str | None, typer.Option(help="FILE, FOLDER or moabb:NAME; default: generated")] = None,
    task: Annotated[str | None, typer.Option(help="the recording's task")] = None,
    svg: Annotated[Path | None, typer.Option(help="where to write the picture")] = None,
) -> None:
    """Correlation with the float Morlet beside cost: this bank, direct FIR, resonators, a sliding attenuated transform.

    Example: python -m benchmarks.wavelet_cost ind_int4 --svg docs/wavelet_cost.svg
    """
    chosen, codes = codes_of(design, recording, task, command="wavelet_cost")
    channels, built = codes.shape[1], chosen.tokenizer.bank
    found = list(points(codes, with_channels(design, channels)))
    show(found, built, Console(width=180))
    marks, marked_nj = [], []
    for name in MARKED:
        spec = with_channels(name, channels)
        whole = codes[: len(codes) // spec.token_samples * spec.token_samples]
        marks.append(multirate_point(whole, spec, name))
        marked_nj.append(marks[-1].work.nj(CATALOGUE[name].tokenizer.bank))
        typer.echo(f"{name}: worst wavelet {marks[-1].correlation.min():.3f}, {marked_nj[-1]:.0f} nJ per decision of its own")
    if svg is not None:
        costs: dict[str, list[float]] = {}
        shown = [point for point in found if not any(point.name.endswith(_bits(*bits, built)) for bits in FEWER_BITS)]
        for point in shown:
            costs.setdefault(point.family, []).append(point.work.nj(built))
        title = f"{design}: {built.bank_channels} channels, {built.sample_hz} Hz"
        svg.write_text(picture(shown, marks, costs, marked_nj, title))
        typer.echo(f"written: {svg}")


def _bits(pole_bits: int, fraction: int, spec: TokenizerSpec) -> str:
    return f"poles {pole_bits}, states {spec.sample.bits + fraction} bits"


if __name__ == "__main__":
    typer.run(command)
