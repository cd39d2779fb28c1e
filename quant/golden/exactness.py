"""Two traces of the same windows, value by value: the rows of exactness.json. Zero tolerance, and nothing is skipped."""

import json
from pathlib import Path

import numpy as np

from designs.layer_table import linear_layers
from quant.golden.linear_attention import key_value_state
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import Trace, trace_tokens

EXACT_IN_FLOAT32 = 1 << 24


def trace_with_states(tokens: np.ndarray, parameters: IntegerParameters) -> Trace:
    """tokens int [windows, tokens, features] -> the golden model's boundaries, the KV states block0_state ... beside them."""
    trace = trace_tokens(tokens.astype(np.int64), parameters)
    for i, shifts in enumerate(parameters.attention):
        key, value = trace[f"block{i}_key"], trace[f"block{i}_value"]
        trace[f"block{i}_state"] = key_value_state(key, value, shifts, parameters.design)
    return trace


def compare(pair: str, expected: Trace, found: Trace) -> list[dict]:
    """One row per boundary of `expected`. Raises ValueError where `found` lacks a boundary or has another shape."""
    missing = ", ".join(sorted(set(expected) - set(found)))
    if missing:
        raise ValueError(f"{pair}: {missing} cannot be compared, one side has no such boundary")
    return [_row(pair, name, values, found[name]) for name, values in expected.items()]


def _row(pair: str, boundary: str, expected: np.ndarray, found: np.ndarray) -> dict:
    if expected.shape != found.shape:
        raise ValueError(f"{pair}: {boundary} has shape {expected.shape} on one side and {found.shape} on the other")
    wrong = np.argwhere(expected.astype(np.int64) != found.astype(np.int64))
    first = None
    if len(wrong):
        at = tuple(wrong[0].tolist())
        first = {"window": at[0], "index": list(at[1:]), "expected": int(expected[at]), "found": int(found[at])}
    return {
        "boundary": boundary,
        "pair": pair,
        "windows": len(expected),
        "values": int(expected.size),
        "mismatches": len(wrong),
        "first": first,
    }


def first_mismatch(rows: list[dict]) -> str | None:
    """One line: pair, layer, window, token, index, both values, and how many differ in all; None if everything is equal."""
    wrong = [row for row in rows if row["mismatches"]]
    if not wrong:
        return None
    row, first = wrong[0], wrong[0]["first"]
    token = f"token {first['index'][0]}, " if len(first["index"]) > 1 else ""
    return (
        f"{row['pair']} does not hold at {row['boundary']}: window {first['window']}, {token}index {first['index'][-1]}: "
        f"expected {first['expected']}, found {first['found']} ({sum(r['mismatches'] for r in wrong)} values differ)"
    )


def write_rows(rows: list[dict], path: Path) -> None:
    """exactness.json, complete or absent."""
    partial = path.with_suffix(".partial.json")
    partial.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def layers_beyond_float32(parameters: IntegerParameters) -> list[str]:
    """Layers whose sums could leave what 32-bit floats hold exactly, by bounds: Brevitas and FINN compute in those."""
    found = []
    for layer in linear_layers(parameters.design):
        values = parameters.linear[layer.name]
        largest_input = max(-layer.input.min, layer.input.max)
        reach = np.abs(values.weight).sum(axis=1) * largest_input + np.abs(values.bias)
        if reach.max() >= EXACT_IN_FLOAT32:
            found.append(layer.name)
    return found
