"""Tokenizers on which its blocks are tested: what the named designs have, and what the arithmetic makes hard."""

from dataclasses import replace

from designs.catalogue import CATALOGUE
from designs.schema import PreprocessSpec, SpatialSpec, TokenizerSpec

TINY = CATALOGUE["ind_tiny"].tokenizer
IMPLANT = CATALOGUE["ind_int4"].tokenizer

SPECS: dict[str, TokenizerSpec] = {
    "ind_tiny": TINY,
    "ind_int4_two_channels": replace(IMPLANT, channels=2),  # 30 pairs: steps of the low octaves reach into the next token
    "one_wavelet_per_octave": replace(IMPLANT, channels=5, wavelets=5),
    "step_as_long_as_token": replace(IMPLANT, channels=2, sample_hz=160, token_ms=200),
    "odd_pairs_one_channel": replace(TINY, channels=1, token_ms=50),
    "learned_centres": replace(TINY, channels=3, wavelets=8, centres=(0.2873, 0.1319)),
    "one_octave": replace(TINY, channels=3, wavelets=1, octaves=1, token_ms=50),
}
MIXED_SPECS: dict[str, TokenizerSpec] = {
    "mixed": replace(TINY, channels=9, spatial=SpatialSpec(4)),
    "mixed_more_than_channels": replace(TINY, channels=5, spatial=SpatialSpec(10)),
}
FULL_SPECS: dict[str, TokenizerSpec] = {
    "ind_int4": IMPLANT,
    "eeg_int4": CATALOGUE["eeg_int4"].tokenizer,
    "five_wavelets_64_channels": replace(IMPLANT, channels=64, wavelets=5),
}
PREPROCESSED: dict[str, TokenizerSpec] = {
    "ind_tiny_preprocessed": replace(TINY, preprocess=PreprocessSpec(drift_bits=6, dead_after=24)),
    "preprocessed_and_mixed": replace(
        TINY, channels=9, spatial=SpatialSpec(4), preprocess=PreprocessSpec(drift_bits=6, dead_after=24)
    ),
    "ind_int4_preprocessed": replace(IMPLANT, preprocess=PreprocessSpec(drift_bits=8, dead_after=100)),
}
