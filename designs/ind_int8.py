"""The source paper's on-chip variant: 320 features per token from 32 electrodes, 8-bit weights and activations."""

from designs.number_format import INT8, UINT8, IntFormat
from designs.schema import Design, HardwareSpec, ModelSpec, QuantSpec, TokenizerSpec

IND_INT8 = Design(
    name="ind_int8",
    tokenizer=TokenizerSpec(
        channels=32,
        sample_hz=600,
        wavelets=10,
        octaves=5,
        taps=14,
        cycles=4.0,
        token_ms=100,
        sample=IntFormat(12),
        kernel_bits=8,
        fraction_bits=4,
        token=UINT8,
        electrodes=(),
    ),
    model=ModelSpec(tokens=10, embed_dim=32, layers=2, hidden_dim=64, outputs=4, normaliser="none"),
    quant=QuantSpec(weight=INT8, activation=INT8, stream=INT8),
    hardware=HardwareSpec(target="ihp_sg13g2", clock_khz=400, stage_cycles=2600, latency_budget_ms=50.0, backend="engine"),
)
