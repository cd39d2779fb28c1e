"""Seconds per training epoch: the IND against braindecode's EEGNet, on the same windows, on one thread, in one run."""

import time
from collections.abc import Callable
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from designs.catalogue import find_design
from designs.decoding_set import DecodingSet
from designs.schema import Design, DesignError
from models.baselines.eeg_network import braindecode_model
from models.datasets.catalogue import recording_for
from models.ind import Ind
from models.recording import RecordingError
from models.standardise import fit_standardisation
from models.window_tensors import seen_tokens, stream_tokens, window_tensors
from models.windows import decoding_set

BATCH = 64

Batches = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Chosen windows -> inputs and labels."""


def epoch_of(
    net: nn.Module, batches: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]], count: int
) -> Callable[[], None]:
    """One epoch of AdamW over `count` windows, shuffled."""
    optimiser, loss = torch.optim.AdamW(net.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def epoch() -> None:
        for chosen in torch.randperm(count).split(BATCH):
            inputs, label = batches(chosen)
            optimiser.zero_grad()
            loss(net(inputs), label).backward()
            optimiser.step()

    return epoch


def measure(design: Design, recording: str | None, task: str | None, epochs: int) -> list[tuple[str, int, int, float]]:
    """(name, parameters, windows, seconds per epoch: the least of `epochs` after one to warm up)."""
    torch.manual_seed(0)
    found = decoding_set(recording_for(design, recording, task, seed=0), design)
    windows = window_tensors(found, stream_tokens(found, design), "train", design)
    windows = windows.standardised(fit_standardisation(seen_tokens(windows)))
    length = design.model.tokens * design.tokenizer.token_samples
    samples = torch.stack(_samples(found, design, length))
    ind = Ind(design)
    settings = {"n_chans": samples.shape[1], "n_outputs": design.model.outputs, "n_times": length}
    eegnet = braindecode_model("EEGNet", **settings)
    rows = []
    for name, net, batches in (
        ("IND", ind, windows.batch),
        ("EEGNet (braindecode)", eegnet, lambda chosen: (samples[chosen], windows.label[chosen])),
    ):
        epoch, took = epoch_of(net.train(), batches, len(windows)), []
        for _ in range(epochs + 1):
            begin = time.perf_counter()
            epoch()
            took.append(time.perf_counter() - begin)
        rows.append((name, sum(each.numel() for each in net.parameters()), len(windows), min(took[1:])))
    return rows


def _samples(found: DecodingSet, design: Design, length: int) -> list[torch.Tensor]:
    """[channels, samples] of every training window, scaled to units."""
    streams, chosen = found.streams, found.windows_of("train")
    ends = (found.window_token[chosen] + 1) * design.tokenizer.token_samples
    parts = [streams[s][end - length : end].T for s, end in zip(found.window_stream[chosen], ends, strict=True)]
    return [torch.from_numpy(part / 256.0).float() for part in parts]


def command(
    design: Annotated[str, typer.Argument(help="name of a design, such as eeg_int4")] = "ind_tiny",
    recording: Annotated[str | None, typer.Option(help="FILE, FOLDER or moabb:NAME; default: the generated one")] = None,
    task: Annotated[str | None, typer.Option(help="task of the recording")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="epochs that are timed")] = 3,
) -> None:
    """Time epochs of both networks. The IND's epoch starts from its tokens, which are made once, before the first epoch.

    Examples: python -m benchmarks.epoch_time; python -m benchmarks.epoch_time eeg_int4 --recording S001_continuous.npz
    """
    torch.set_num_threads(1)
    console = Console()
    try:
        rows = measure(find_design(design), recording, task, epochs)
    except (DesignError, RecordingError) as error:
        Console(stderr=True, emoji=False).print(
            f"benchmarks.epoch_time: {error}", highlight=False, soft_wrap=True, markup=False
        )
        raise typer.Exit(2) from error
    table = Table(
        "network", "parameters", "windows", "ms per epoch", "windows per s", title=f"{design}, one thread, batches of {BATCH}"
    )
    for name, parameters, windows, seconds in rows:
        table.add_row(name, f"{parameters:,}", f"{windows:,}", f"{1000 * seconds:.0f}", f"{windows / seconds:,.0f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(command)
