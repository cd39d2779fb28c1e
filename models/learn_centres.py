"""Centre frequencies that suit the task: `python -m models.learn_centres eeg_int4 --recording S001.npz --task fists_feet`.

The wavelets' magnitudes are differentiable in where the wavelets are centred. Here the centres of an octave, the same for all
octaves as in hardware, follow the gradient of the task's loss behind a linear head. A head of many features on few trials
learns noise, and centres trained through it would too; so there are two heads, each trained on one half of the training
windows by time, and the centres are moved for the half that the head has not seen.
"""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor, nn

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet
from designs.schema import HIGHEST_CENTRE, LOWEST_CENTRE, Design, DesignError, TokenizerSpec
from models.datasets.catalogue import recording_for
from models.preprocessing import preprocessed_streams
from models.recording import RecordingError, RecordingWarning
from models.spatial_filter import fit_spatial_filter
from models.train import fit_targets
from models.wavelets import centre_hz, kernels_at, pooled
from models.window_tensors import WindowTensors
from models.windows import decoding_set, history_tokens

STEPS, WARM_UP = 150, 30
"""Steps in all, and those in which the heads learn while the centres stand still."""
WINDOWS, VALUES_AT_ONCE = 64, 1 << 21
"""Windows of a step, fewer where their samples are more than VALUES_AT_ONCE: bounds memory."""
HEAD_RATE, HEAD_DECAY, CENTRE_RATE = 1e-2, 0.1, 3e-2
LEAST_GAP = 0.005
"""Between two centres, and towards the limits, as a share of the frequency."""
DECIMALS = 4


class Centres(nn.Module):
    """An octave's centres: whatever its parameters are, they descend between the limits of the integer bank."""

    def __init__(self, spec: TokenizerSpec):
        super().__init__()
        edges = torch.tensor((HIGHEST_CENTRE, *spec.relative_centres, LOWEST_CENTRE), dtype=torch.float64).log()
        gaps = (edges[:-1] - edges[1:] - LEAST_GAP).clamp_min(LEAST_GAP)
        self.share = nn.Parameter(gaps.log())
        self.free = math.log(HIGHEST_CENTRE / LOWEST_CENTRE) - LEAST_GAP * len(gaps)

    def forward(self) -> Tensor:
        """float64 [wavelets_per_octave], fractions of the octave's rate, descending."""
        gaps = LEAST_GAP + self.free * self.share.softmax(dim=0)
        return HIGHEST_CENTRE * torch.exp(-gaps.cumsum(dim=0)[:-1])


@dataclass(frozen=True)
class CutWindows:
    """Training windows that are cut from the streams when they are asked for, with the samples that reach into them."""

    streams: dict[int, Tensor]
    """float32 [samples, bank channels] each, behind preprocessing and spatial filter."""
    stream: np.ndarray
    """int64 [windows]."""
    end: np.ndarray
    """int64 [windows]: sample after the window's last."""
    wanted: Tensor
    """Labels int64 [windows], or standardised targets float32 [windows, outputs]."""
    design: Design

    def tokens(self, chosen: Tensor, centres: Tensor) -> Tensor:
        """chosen int64 [batch] -> [batch, tokens, features] as models.wavelets.float_tokens has them, differentiable."""
        spec, history = self.design.tokenizer.bank, history_tokens(self.design)
        count = self.design.model.tokens + history
        cut = torch.stack([self._cut(int(window), count * spec.token_samples) for window in chosen])
        signal = cut.transpose(1, 2).flatten(0, 1).contiguous()
        found = [pooled(signal, spec, octave, count, kernels_at(centres, spec, octave)) for octave in range(spec.octaves)]
        tokens = torch.stack(found, dim=1)[..., history:].unflatten(0, (len(chosen), spec.channels))
        return tokens.permute(0, 4, 1, 2, 3).flatten(2)

    def _cut(self, window: int, samples: int) -> Tensor:
        stream, end = self.streams[int(self.stream[window])], int(self.end[window])
        cut = stream[max(0, end - samples) : end]
        return nn.functional.pad(cut, (0, 0, samples - len(cut), 0))  # before a stream is silence, as after reset


def cut_windows(found: DecodingSet, design: Design) -> CutWindows:
    """The windows of the part train, and of the streams nothing but what they lie in."""
    chosen = found.windows_of("train")
    inside, codes = set(found.window_stream[chosen].tolist()), preprocessed_streams(found, design)
    streams = {i: torch.from_numpy(codes[i]).float() for i in sorted(inside)}
    if design.tokenizer.spatial:
        spatial = fit_spatial_filter(found, design)
        streams = {i: samples @ spatial.T for i, samples in streams.items()}
    wanted = torch.from_numpy(found.window_target[chosen] if found.regression else found.window_label[chosen])
    none = torch.zeros(0)
    targets = fit_targets(WindowTensors(none, none, wanted))
    end = (found.window_token[chosen] + 1) * design.tokenizer.token_samples
    return CutWindows(streams, found.window_stream[chosen], end, targets(wanted) if targets else wanted, design)


def halves(windows: CutWindows) -> tuple[Tensor, Tensor]:
    """int64 indices: of every stream the windows that end in its earlier half of them, and the others."""
    early = np.zeros(len(windows.end), bool)
    for stream in windows.streams:
        inside = windows.stream == stream
        early |= inside & (windows.end <= np.median(windows.end[inside]))
    return torch.from_numpy(np.flatnonzero(early)), torch.from_numpy(np.flatnonzero(~early))


def learn_centres(
    found: DecodingSet, design: Design, seed: int, on_step: Callable[[int, float], None] = lambda step, loss: None
) -> tuple[float, ...]:
    """Centres for `TokenizerSpec.centres` from the training windows of `found`, starting at those that `design` has.

    The same for the same seed; `on_step` hears (step, loss on the windows that the heads were not trained on). DesignError
    where the design has no wavelets.
    """
    check_wavelets(design)
    windows, draw = cut_windows(found, design), torch.Generator().manual_seed(seed)
    parts = [part for part in halves(windows) if len(part)]
    length = (design.model.tokens + history_tokens(design)) * design.tokenizer.features * design.tokenizer.token_samples
    size = max(8, min(WINDOWS, VALUES_AT_ONCE // length)) // len(parts)
    centres, model = Centres(design.tokenizer), design.model
    inputs = design.tokenizer.features * (1 if model.pool == "mean" else model.tokens)
    heads = [nn.Linear(inputs, model.outputs) for _ in parts]
    for head in heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    optimiser = torch.optim.AdamW(
        [
            {"params": [value for head in heads for value in head.parameters()], "weight_decay": HEAD_DECAY},
            {"params": list(centres.parameters()), "weight_decay": 0.0},
        ]
    )
    for step in range(STEPS):
        fall = 0.5 * (1 + math.cos(math.pi * step / STEPS))
        optimiser.param_groups[0]["lr"] = HEAD_RATE * fall
        optimiser.param_groups[1]["lr"] = CENTRE_RATE * fall if step >= WARM_UP else 0.0
        chosen = [part[torch.randperm(len(part), generator=draw)[:size]] for part in parts]
        inside = windows.tokens(torch.cat(chosen), centres())
        seen = standardised(inside.mean(dim=1) if model.pool == "mean" else inside.flatten(1))
        known, unseen = _losses(heads, seen.split([len(each) for each in chosen]), [windows.wanted[each] for each in chosen])
        optimiser.zero_grad(set_to_none=True)
        (known + unseen).backward()
        optimiser.step()
        on_step(step + 1, float(unseen.detach()))
    return tuple(round(value, DECIMALS) for value in centres().tolist())


def check_wavelets(design: Design) -> None:
    """DesignError where there are no wavelets to centre."""
    if design.tokenizer.ready:
        raise DesignError(
            f"{design.name}: starts from {design.tokenizer.signal}, there are no wavelets to centre; use a design of voltages"
        )


def standardised(values: Tensor) -> Tensor:
    """values [windows, inputs] -> each input with mean 0 and deviation 1 over the windows, constant ones 0."""
    return (values - values.mean(dim=0)) * torch.rsqrt(values.var(dim=0, correction=0) + 1e-8)


def _losses(heads: list[nn.Linear], seen: tuple[Tensor, ...], wanted: list[Tensor]) -> tuple[Tensor, Tensor]:
    """(loss of every head on its own half, where the gradient reaches the head alone; on the other, where it reaches the
    centres alone). A single half is both."""
    own, other = seen[0].new_zeros(()), seen[0].new_zeros(())
    for place, head in enumerate(heads):
        across = (place + 1) % len(heads)
        own = own + _loss(head(seen[place].detach()), wanted[place])
        fixed = nn.functional.linear(seen[across], head.weight.detach(), head.bias.detach())
        other = other + _loss(fixed, wanted[across]) / len(heads)
    return own, other


def _loss(outputs: Tensor, wanted: Tensor) -> Tensor:
    if wanted.dtype.is_floating_point:
        return nn.functional.mse_loss(outputs, wanted)
    return nn.functional.cross_entropy(outputs, wanted)


def with_centres(design: Design, centres: tuple[float, ...]) -> Design:
    """The same design with wavelets centred there."""
    return replace(design, tokenizer=replace(design.tokenizer, centres=centres))


def run(design: Design, recording: str | None, task: str | None, seed: int, progress: Progress) -> tuple[float, ...]:
    """Everything the command does before it prints."""
    check_wavelets(design)
    step = progress.add_task("recording and windows", total=1, loss="")
    found = decoding_set(recording_for(design, recording, task, seed=0), design)
    progress.update(step, completed=1, loss=f"{found.source}: {len(found.windows_of('train'))} training windows")
    bar = progress.add_task(f"centres of {design.name}", total=STEPS, loss="")

    def on_step(done: int, loss: float) -> None:
        progress.update(bar, completed=done, loss=f"loss {loss:.3f}")
        if done % 50 == 0 and not progress.console.is_terminal:  # bars move on terminals alone
            progress.console.print(f"step {done}: loss {loss:.3f}")

    return learn_centres(found, design, seed, on_step)


def command(
    design: Annotated[str, typer.Argument(help="name of a design, such as eeg_int4")],
    recording: Annotated[
        str | None, typer.Option(help="FILE, FOLDER or moabb:NAME, #TASK behind it; default: generated")
    ] = None,
    task: Annotated[str | None, typer.Option(help="task of a recording that holds several, such as fists_feet")] = None,
    seed: Annotated[int, typer.Option(help="seed of the order of training windows")] = 0,
) -> None:
    """Learn the centre frequencies of DESIGN's wavelets from the recording's training part, and print the line to write into
    the design's file.

    Example: python -m models.learn_centres eeg_int4 --recording S001.npz#fists_feet. Another line means another
    tokenizer: train the design again.
    """
    console = Console(stderr=True, markup=False, emoji=False)
    warnings.showwarning = lambda message, *_args, **_kw: console.print(f"warning: {message}", highlight=False, soft_wrap=True)
    warnings.simplefilter("always", RecordingWarning)
    torch.set_num_threads(1)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    begin = time.monotonic()
    try:
        with Progress(
            *columns, TextColumn("{task.fields[loss]}", markup=False), TimeElapsedColumn(), console=console
        ) as progress:
            before = find_design(design)
            centres = run(before, recording, task, seed, progress)
    except (DesignError, RecordingError, OSError) as error:
        console.print(f"models.learn_centres: {' '.join(str(error).split())}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as interrupt:
        console.print("models.learn_centres: interrupted; nothing was learned yet", highlight=False, soft_wrap=True)
        raise typer.Exit(130) from interrupt
    after = with_centres(before, centres)
    for name, each in (("before", before), ("after", after)):
        print(f"{name:6} {' '.join(f'{hz:7.2f}' for hz in centre_hz(each.tokenizer))} Hz")
    print(f"centres=({', '.join(map(str, centres))}{',' if len(centres) == 1 else ''}),")
    console.print(f"{time.monotonic() - begin:.0f} s", highlight=False)


if __name__ == "__main__":
    typer.run(command)
