"""Windows at another rate, by their Fourier series, as networks that were made for one rate need them."""

import torch
from torch import Tensor


def resampled(signal: Tensor, sample_hz: float, wanted_hz: float, band: tuple[float, float] | None = None) -> Tensor:
    """signal [..., samples] -> [..., samples at `wanted_hz`], rounded to a whole number; where `band` is given only frequencies
    within it, in hertz. The window is taken for a period."""
    count = signal.shape[-1]
    new = max(1, round(count * wanted_hz / sample_hz))
    spectrum = torch.fft.rfft(signal, dim=-1)
    if band:
        hz = torch.fft.rfftfreq(count, 1 / sample_hz)
        spectrum = spectrum * ((hz >= band[0]) & (hz <= band[1])).to(signal.device)
    kept = spectrum[..., : new // 2 + 1]
    return torch.fft.irfft(kept, n=new, dim=-1) * (new / count)
