"""Intracortical regression: binned spike counts of 96 units to a two-dimensional velocity, no wavelets."""

from designs.number_format import INT4, INT8, UINT8, IntFormat
from designs.schema import Design, HardwareSpec, ModelSpec, QuantSpec, TokenizerSpec

SPIKES_INT4 = Design(
    name="spikes_int4",
    tokenizer=TokenizerSpec(
        channels=96,
        sample_hz=20,
        wavelets=1,
        octaves=1,
        taps=0,
        cycles=0.0,
        token_ms=50,
        sample=IntFormat(12),
        token=UINT8,
        electrodes=(),
        signal="counts",
    ),
    model=ModelSpec(
        tokens=10, embed_dim=32, layers=2, hidden_dim=64, outputs=2, normaliser="none", task="regression", pool="none"
    ),
    quant=QuantSpec(weight=INT4, activation=INT8, stream=INT8),
    hardware=HardwareSpec(target="ihp_sg13g2", clock_khz=200, stage_cycles=2600, latency_budget_ms=50.0, backend="engine"),
)
