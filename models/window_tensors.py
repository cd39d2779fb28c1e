"""The windows of one part of a decoding set as tensors: tokens are kept once, windows are gathered from them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from designs.decoding_set import DecodingSet
from designs.schema import Design
from models.preprocessing import preprocessed_streams
from models.standardise import Standardisation
from models.wavelets import float_tokens

RUN_IN = 1
"""Windows of tokens in front of a training window whose states run on: after one of ten tokens 5.6 % of what was is left."""


@dataclass(frozen=True)
class WindowTensors:
    """tokens float32 [rows, features] of all streams, one after the other; rows int64 [windows, `unrolled_tokens`] into it;
    label int64 [windows], or float32 [windows, outputs]: what a regressor should find."""

    tokens: Tensor
    rows: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """chosen int64 [batch] -> tokens [batch, tokens, features], label [batch]."""
        return self.tokens[self.rows[chosen]], self.label[chosen]

    def all_tokens(self) -> Tensor:
        """[windows, tokens, features]."""
        return self.tokens[self.rows]

    def standardised(self, standardisation: Standardisation, targets: Standardisation | None = None) -> "WindowTensors":
        """The same windows with standardised tokens and, where given, standardised targets."""
        return WindowTensors(standardisation(self.tokens), self.rows, targets(self.label) if targets else self.label)

    def to(self, device: torch.device) -> "WindowTensors":
        return WindowTensors(self.tokens.to(device), self.rows.to(device), self.label.to(device))


def stream_tokens(
    found: DecodingSet, design: Design, device: torch.device | None = None, spatial: Tensor | None = None
) -> list[Tensor]:
    """Float tokens [tokens, features] of every stream, in converter codes, on the CPU.

    spatial [virtual channels, channels]: the filter in front of the wavelets, where the design has one.
    """
    device, spec = device or torch.device("cpu"), design.tokenizer
    streams = [torch.from_numpy(codes).float() for codes in preprocessed_streams(found, design)]
    if spec.ready:
        return streams
    if spec.spatial is not None and spatial is None:
        raise ValueError(f"{design.name}: its tokens need the weights of its spatial filter; fit them first")
    mixed = streams if spatial is None else [samples @ spatial.T for samples in streams]
    return [float_tokens(samples.to(device), spec.bank).cpu() for samples in mixed]


def _wanted(found: DecodingSet, windows: np.ndarray) -> Tensor:
    """Labels int64 [windows], or targets float32 [windows, outputs]."""
    return torch.from_numpy(found.window_target[windows] if found.regression else found.window_label[windows])


def window_tensors(found: DecodingSet, tokens: list[Tensor], part: str, design: Design) -> WindowTensors:
    """The windows of `part` over `tokens`, which may be of any tokenizer: one [tokens, features] per stream."""
    chosen = found.windows_of(part)
    rows = _rows(found.window_stream[chosen], found.window_token[chosen], tokens, design)
    return WindowTensors(torch.cat(tokens), torch.from_numpy(rows), _wanted(found, chosen))


def unrolled_tokens(design: Design) -> int:
    """Tokens of a window in training. Where states run on it begins RUN_IN windows earlier, with states that are 0, so that
    training sees states as they are in use."""
    return design.model.tokens * (1 + RUN_IN if design.model.streaming else 1)


def _rows(stream: np.ndarray, last: np.ndarray, tokens: list[Tensor], design: Design) -> np.ndarray:
    """int64 [windows, tokens]: rows of the windows that end with token `last` of `stream`, int64 [windows] each; where a stream
    begins later than a window's run-in, its first token stands for what is missing."""
    start = np.cumsum([0, *(len(each) for each in tokens[:-1])])
    before = last[:, None] + np.arange(1 - unrolled_tokens(design), 1)
    return start[stream][:, None] + before.clip(min=0)


def seen_tokens(windows: WindowTensors) -> Tensor:
    """[rows, features]: the tokens that lie in at least one of the windows, each once."""
    return windows.tokens[torch.unique(windows.rows)]


def training_session_windows(found: DecodingSet, tokens: list[Tensor], design: Design, spread: int) -> WindowTensors:
    """Every training window, and every validation window moved by up to `spread` tokens within its stream, as training windows
    are (with targets instead of labels: as it is), for a last training that validation no longer judges."""
    train, held = found.windows_of("train"), found.windows_of("validation")
    if found.regression:
        both = np.sort(np.append(train, held))
        rows = _rows(found.window_stream[both], found.window_token[both], tokens, design)
        return WindowTensors(torch.cat(tokens), torch.from_numpy(rows), _wanted(found, both))
    moves = np.arange(-spread, spread + 1)
    stream = np.append(found.window_stream[train], np.repeat(found.window_stream[held], len(moves)))
    last = np.append(found.window_token[train], (found.window_token[held][:, None] + moves).ravel())
    label = np.append(found.window_label[train], np.repeat(found.window_label[held], len(moves)))
    length = np.array([len(each) for each in tokens])
    inside = (last >= design.model.tokens - 1) & (last < length[stream])
    rows = _rows(stream[inside], last[inside], tokens, design)
    return WindowTensors(torch.cat(tokens), torch.from_numpy(rows), torch.from_numpy(label[inside]))
