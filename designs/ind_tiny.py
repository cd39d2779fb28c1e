"""First contact and tests: 4 electrodes, one narrow layer; minutes from nothing to a report."""

from designs.number_format import INT4, INT8, UINT8, IntFormat
from designs.schema import Design, HardwareSpec, ModelSpec, QuantSpec, TokenizerSpec

IND_TINY = Design(
    name="ind_tiny",
    tokenizer=TokenizerSpec(
        channels=4,
        sample_hz=600,
        wavelets=4,
        octaves=4,
        taps=14,
        cycles=3.0,
        token_ms=160,
        sample=IntFormat(12),
        kernel_bits=6,
        fraction_bits=4,
        token=UINT8,
        electrodes=(),
    ),
    model=ModelSpec(tokens=4, embed_dim=8, layers=1, hidden_dim=16, outputs=4, normaliser="none"),
    quant=QuantSpec(weight=INT4, activation=INT4, stream=INT8),
    hardware=HardwareSpec(target="ihp_sg13g2", clock_khz=100, stage_cycles=2400, latency_budget_ms=50.0, backend="engine"),
)
