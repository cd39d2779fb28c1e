"""The implant: 4-bit weights everywhere, 4-bit activations inside the blocks, 8 bits where they carry the decision."""

from designs.number_format import INT4, INT8, UINT8, IntFormat
from designs.schema import Design, HardwareSpec, ModelSpec, QuantSpec, TokenizerSpec

IND_INT4 = Design(
    name="ind_int4",
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
    quant=QuantSpec(weight=INT4, activation=INT4, stream=INT8),
    hardware=HardwareSpec(target="ihp_sg13g2", clock_khz=1000, stage_cycles=2600, latency_budget_ms=50.0, backend="engine"),
)
