"""The implant without a window: ind_int4 whose states run on, so that a decision costs one token's work instead of ten's."""

from designs.number_format import INT4, INT8, UINT8, IntFormat
from designs.schema import Design, HardwareSpec, ModelSpec, QuantSpec, TokenizerSpec

IND_STREAM_INT4 = Design(
    name="ind_stream_int4",
    tokenizer=TokenizerSpec(
        channels=32,
        sample_hz=600,
        wavelets=10,
        octaves=5,
        taps=14,
        cycles=4.0,
        token_ms=100,
        sample=IntFormat(12),
        kernel_bits=5,
        fraction_bits=2,
        token=UINT8,
        electrodes=(),
    ),
    model=ModelSpec(
        tokens=10, embed_dim=32, layers=2, hidden_dim=64, outputs=4, normaliser="none", pool="mean", attention="stream"
    ),
    quant=QuantSpec(weight=INT4, activation=INT4, stream=INT8),
    hardware=HardwareSpec(target="ihp_sg13g2", clock_khz=250, stage_cycles=8000, latency_budget_ms=50.0, backend="engine"),
)
