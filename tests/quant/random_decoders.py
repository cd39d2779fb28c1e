"""Untrained decoders with calibrated exponents, and windows that reach the corners of the token format."""

from dataclasses import replace

import numpy as np
import torch

from designs.catalogue import CATALOGUE
from designs.number_format import INT8, IntFormat
from designs.schema import Design, QuantSpec
from models.ind import Ind
from quant.calibrate import calibrate, from_float
from quant.quant_ind import QuantInd

TINY = CATALOGUE["ind_tiny"]
DESIGNS = {
    "int4": TINY,
    "int8": replace(TINY, name="tiny_int8", quant=QuantSpec(INT8, INT8, INT8)),
    "int2": replace(TINY, name="tiny_int2", quant=QuantSpec(IntFormat(2), IntFormat(2), IntFormat(6))),
    "two_layers": replace(TINY, name="tiny_two_layers", model=replace(TINY.model, layers=2, outputs=3)),
    "stream": replace(TINY, name="tiny_stream", model=replace(TINY.model, layers=2, attention="stream")),
    "stream_int8": replace(
        TINY, name="tiny_stream_int8", model=replace(TINY.model, attention="stream"), quant=QuantSpec(INT8, INT8, INT8)
    ),
    "stream_int2": replace(
        TINY,
        name="tiny_stream_int2",
        model=replace(TINY.model, attention="stream"),
        quant=QuantSpec(IntFormat(2), IntFormat(2), IntFormat(6)),
    ),
    "shift": replace(TINY, name="tiny_shift", model=replace(TINY.model, layers=2, normaliser="shift")),
    "shift_int8": replace(
        TINY, name="tiny_shift_int8", model=replace(TINY.model, normaliser="shift"), quant=QuantSpec(INT8, INT8, INT8)
    ),
    "divide": replace(TINY, name="tiny_divide", model=replace(TINY.model, layers=2, normaliser="divide")),
    "divide_int8": replace(
        TINY, name="tiny_divide_int8", model=replace(TINY.model, normaliser="divide"), quant=QuantSpec(INT8, INT8, INT8)
    ),
}


def random_decoder(design: Design, seed: int = 0) -> QuantInd:
    """A QuantInd of `design` with random weights and positions, calibrated on random tokens."""
    torch.manual_seed(seed)
    ind = Ind(design)
    if ind.position is not None:
        torch.nn.init.normal_(ind.position, std=0.3)
    tokens = torch.from_numpy(windows(design, 64, seed)).float()
    flat = tokens.flatten(0, 1)
    decoder = from_float(ind, flat.mean(0), flat.std(0) + 1, design)
    calibrate(decoder, tokens)
    return decoder.eval()


def windows(design: Design, count: int, seed: int = 0) -> np.ndarray:
    """int64 [count, tokens, features]: all lowest, all highest, alternating corners, then random ones."""
    rng, token = np.random.default_rng(seed), design.tokenizer.token
    shape = (count, design.model.tokens, design.tokenizer.features)
    found = rng.integers(token.min, token.max + 1, shape)
    found[0], found[1] = token.min, token.max
    found[2 : 2 + count // 4] = np.where(rng.integers(0, 2, found[2 : 2 + count // 4].shape), token.max, token.min)
    return found


def token_shift(design: Design) -> np.ndarray:
    """A different shift for neighbouring features."""
    shape = (design.tokenizer.channels, design.tokenizer.wavelets)
    return 5 + np.arange(np.prod(shape)).reshape(shape) % 7
