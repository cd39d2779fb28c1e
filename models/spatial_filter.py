"""The spatial filter's weights, from training windows: every channel against its neighbours, and which of these to keep.

What an electrode records is mostly its neighbourhood's. A row of the inverse covariance is a channel minus what all others
predict of it: a Laplacian that the data drew, without electrode positions. The covariance is that of the wavelets' outputs,
every wavelet weighing the same, so that slow drifts do not rule it. Of these local references the design's number is kept: the
ones whose magnitudes tell the classes apart. A design with more virtual channels than that gets the channels themselves beside.

A classifier may give a share of its rows to common spatial patterns (Ramoser et al. 2000): the mixes whose power differs most
between a class and all of them. They see what no single channel shows; local references hold where trials are too few for them.
"""

import numpy as np
import torch
from torch import Tensor

from designs.decoding_set import DecodingSet
from designs.schema import Design, TokenizerSpec
from models.preprocessing import preprocessed_streams
from models.wavelets import float_tokens, octave_sums, stride_samples

SHRINKAGE = 0.1
"""Share of the mean variance that is put on the covariance's diagonal."""


def fit_spatial_filter(
    found: DecodingSet, design: Design, patterns: float = 0.0, parts: tuple[str, ...] = ("train",)
) -> Tensor:
    """float32 [virtual channels, channels]: looks at the streams that hold training windows, and at those alone.

    patterns: share of a classifier's virtual channels that are common spatial patterns, where it has no more virtual channels
    than channels; parts: whose windows the patterns are fitted on.
    """
    spec = design.tokenizer
    streams = sorted(set(found.window_stream[found.windows_of("train")].tolist()))
    codes = preprocessed_streams(found, design)
    samples = {i: torch.from_numpy(codes[i]).float() for i in streams}
    alive = np.stack([codes[i].std(axis=0) > 0 for i in streams]).any(axis=0)
    references = local_references(mean_covariance(list(samples.values()), spec), torch.from_numpy(alive))
    wanted, channels = spec.bank_channels, spec.channels
    if wanted >= 2 * channels:
        return torch.cat([torch.eye(channels), references, torch.zeros(wanted - 2 * channels, channels)])
    if wanted > channels:
        chosen = best_rows(references, samples, found, design)[: wanted - channels]
        return torch.cat([torch.eye(channels), references[chosen]])
    mixes = 0 if found.regression else round(patterns * wanted)
    kept = references[best_rows(references, samples, found, design)[: wanted - mixes]]
    return torch.cat([kept, common_patterns(class_covariances(found, design, parts), mixes)]) if mixes else kept


def mean_covariance(streams: list[Tensor], spec: TokenizerSpec) -> Tensor:
    """streams float32 [samples, channels] each -> [channels, channels]: mean over the wavelets, each of trace 1."""
    total = torch.zeros(spec.channels, spec.channels, dtype=torch.float64)
    for octave in range(spec.octaves):
        sums = [octave_sums(stream.T.contiguous(), spec, octave) for stream in streams]
        for j in range(spec.wavelets_per_octave):
            covariance = sum(part[:, j].flatten(1).double() @ part[:, j].flatten(1).double().T for part in sums)
            assert isinstance(covariance, Tensor)
            total += covariance / covariance.trace().clamp_min(1e-12)
    return total / spec.wavelets


def local_references(covariance: Tensor, alive: Tensor) -> Tensor:
    """Rows of the inverse of the shrunk covariance, each with 1 on the diagonal; a dead channel's row is zero elsewhere."""
    channels = len(covariance)
    level = covariance.trace() / max(1, int(alive.sum()))
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * torch.eye(channels, dtype=covariance.dtype)
    inverse = torch.linalg.inv(shrunk)
    return (inverse / inverse.diagonal()[:, None]).float()


def class_covariances(found: DecodingSet, design: Design, parts: tuple[str, ...]) -> Tensor:
    """float64 [classes, channels, channels]: mean over the windows of `parts` and over the wavelets, each wavelet of trace 1 in
    the mean of the classes. A window counts by its shape: its power, summed over wavelets, is taken out."""
    spec = design.tokenizer
    chosen = np.concatenate([found.windows_of(part) for part in parts])
    points = [spec.token_samples // stride_samples(spec, octave) for octave in range(spec.octaves)]
    total = torch.zeros(design.model.outputs, spec.wavelets, spec.channels, spec.channels, dtype=torch.float64)
    codes = preprocessed_streams(found, design)
    for i in sorted(set(found.window_stream[chosen].tolist())):
        samples = torch.from_numpy(codes[i]).float().T.contiguous()
        sums = [octave_sums(samples, spec, octave) for octave in range(spec.octaves)]
        for window in chosen[found.window_stream[chosen] == i].tolist():
            end = int(found.window_token[window]) + 1
            octaves = [_covariances(each, end - design.model.tokens, end, points[o]) for o, each in enumerate(sums)]
            covariance = torch.cat(octaves)
            power = covariance.diagonal(dim1=-2, dim2=-1).sum().clamp_min(1e-12)
            total[int(found.window_label[window])] += covariance / power
    counts = torch.bincount(torch.from_numpy(found.window_label[chosen]), minlength=len(total))
    means = total / counts.clamp_min(1)[:, None, None, None]
    level = means.mean(dim=0).diagonal(dim1=-2, dim2=-1).sum(dim=-1).clamp_min(1e-12)
    return (means / level[:, None, None]).mean(dim=1)


def _covariances(sums: Tensor, first: int, end: int, points: int) -> Tensor:
    """sums [channels, wavelets, 2, points] of one octave, `points` a token -> float64 [wavelets, channels, channels] of the
    tokens first to end - 1."""
    window = sums[..., first * points : end * points].transpose(0, 1).flatten(2).double()
    return window @ window.transpose(1, 2) / window.shape[2]


def common_patterns(covariance: Tensor, count: int) -> Tensor:
    """covariance [classes, channels, channels] -> float32 [count, channels] of length 1: the mixes in which a class has most
    power against the mean of all, the classes taking turns."""
    channels = covariance.shape[1]
    level = covariance.mean(dim=0).trace() / channels
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * torch.eye(channels, dtype=covariance.dtype)
    values, vectors = torch.linalg.eigh(shrunk.mean(dim=0))
    white = vectors / values.sqrt()
    turns = [(white @ torch.linalg.eigh(white.T @ each @ white)[1]).flip(1).T for each in shrunk]
    rows = torch.stack(turns, dim=1).flatten(0, 1)[:count]
    return (rows / rows.norm(dim=1, keepdim=True)).float()


def best_rows(rows: Tensor, samples: dict[int, Tensor], found: DecodingSet, design: Design) -> list[int]:
    """Indices of `rows` [rows, channels], the most telling first.

    That is the root mean square, over the wavelets, of how far class means of the window's magnitude lie apart against their
    spread within a class; with targets instead of classes, of the correlation.
    """
    bank = design.tokenizer.bank
    tokens = {i: _magnitudes(stream @ rows.T, bank) for i, stream in samples.items()}
    chosen = found.windows_of("train")
    ends = zip(found.window_stream[chosen].tolist(), found.window_token[chosen].tolist(), strict=True)
    means = torch.stack([tokens[i][end + 1 - design.model.tokens : end + 1].mean(dim=0) for i, end in ends])
    if found.regression:
        told = _correlation(means, torch.from_numpy(found.window_target[chosen]))
    else:
        told = _separation(means, torch.from_numpy(found.window_label[chosen]))
    score = told.view(len(rows), -1).pow(2).mean(dim=1)
    return torch.argsort(score, descending=True, stable=True).tolist()


def _magnitudes(samples: Tensor, bank: TokenizerSpec) -> Tensor:
    """samples [samples, rows], any number of rows -> tokens [tokens, rows * wavelets]."""
    return float_tokens(samples, bank)


def _separation(means: Tensor, label: Tensor) -> Tensor:
    groups = [means[label == each] for each in torch.unique(label)]
    centres = torch.stack([group.mean(dim=0) for group in groups])
    within = torch.stack([group.var(dim=0, correction=0) for group in groups]).mean(dim=0)
    return centres.std(dim=0, correction=0) / within.clamp_min(1e-12).sqrt()


def _correlation(means: Tensor, target: Tensor) -> Tensor:
    first, second = means - means.mean(dim=0), target - target.mean(dim=0)
    first, second = (each / each.norm(dim=0).clamp_min(1e-12) for each in (first, second))
    return (first.T @ second).pow(2).mean(dim=1).sqrt()
