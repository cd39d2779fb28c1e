"""The spatial filter's weights, from training windows: every channel against its neighbours, and which of these to keep.

What an electrode records is mostly its neighbourhood's. A row of the inverse covariance is a channel minus what all others
predict of it: a Laplacian that the data drew, without electrode positions. The covariance is that of the wavelets' outputs,
every wavelet weighing the same, so that slow drifts do not rule it. Of these local references the design's number is kept: the
ones whose magnitudes tell the classes apart. A design with more virtual channels than that gets the channels themselves beside.
"""

import numpy as np
import torch
from torch import Tensor

from designs.decoding_set import DecodingSet
from designs.schema import Design, TokenizerSpec
from models.preprocessing import preprocessed_streams
from models.wavelets import float_tokens, octave_sums

SHRINKAGE = 0.1
"""Share of the mean variance that is put on the covariance's diagonal."""


def fit_spatial_filter(found: DecodingSet, design: Design) -> Tensor:
    """float32 [virtual channels, channels]: looks at the streams that hold training windows, and at those alone."""
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
    return references[best_rows(references, samples, found, design)[:wanted]]


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
