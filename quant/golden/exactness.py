"""Two traces of the same windows, value by value: the rows of exactness.json. Zero tolerance, and nothing is skipped."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from designs.layer_table import attention_sum, attention_weight, key_value_sum, linear_layers, token_sum
from designs.number_format import IntFormat
from designs.schema import Design
from quant.golden.linear_attention import key_value_state
from quant.golden.parameters import IntegerParameters
from quant.golden.trace import Trace, trace_tokens

EXACT_IN_FLOAT32, EXACT_IN_FLOAT64 = 1 << 24, 1 << 53


class ExactnessError(ValueError):
    """An exactness.json that cannot be read; one line."""


@dataclass(frozen=True)
class Mismatch:
    """The first value that differs: in which window, at which index of the boundary's shape."""

    window: int
    index: tuple[int, ...]
    expected: int
    found: int


@dataclass(frozen=True)
class Row:
    """One boundary of designs.layer_table.streams between one pair of models, "brevitas = golden".

    A value that never came, or one too many, counts as a mismatch too; `first` is None where no value that came is wrong.
    """

    boundary: str
    pair: str
    windows: int
    values: int
    mismatches: int
    first: Mismatch | None

    def __post_init__(self) -> None:
        if self.first is not None and not self.mismatches:
            raise ValueError(f"boundary {self.boundary} has no mismatches but first={self.first}")


def trace_with_states(tokens: np.ndarray, parameters: IntegerParameters) -> Trace:
    """tokens int [windows, tokens, features] -> the golden model's boundaries, the KV states block0_state ... beside them."""
    trace = trace_tokens(tokens.astype(np.int64), parameters)
    if parameters.design.model.streaming:
        return trace  # with states
    for i, shifts in enumerate(parameters.attention):
        key, value = trace[f"block{i}_key"], trace[f"block{i}_value"]
        trace[f"block{i}_state"] = key_value_state(key, value, shifts, parameters.design)
    return trace


def compare(pair: str, expected: Trace, found: Trace) -> list[Row]:
    """One row per boundary of `expected`. Raises ValueError where `found` lacks a boundary or has another shape."""
    missing = ", ".join(sorted(set(expected) - set(found)))
    if missing:
        raise ValueError(f"{pair}: {missing} cannot be compared, one side has no such boundary")
    return [_compared(pair, name, values, found[name]) for name, values in expected.items()]


def _compared(pair: str, boundary: str, expected: np.ndarray, found: np.ndarray) -> Row:
    if expected.shape != found.shape:
        raise ValueError(f"{pair}: {boundary} has shape {expected.shape} on one side and {found.shape} on the other")
    wrong = np.argwhere(expected.astype(np.int64) != found.astype(np.int64))
    first = None
    if len(wrong):
        at = tuple(wrong[0].tolist())
        first = Mismatch(at[0], at[1:], int(expected[at]), int(found[at]))
    return Row(boundary, pair, len(expected), int(expected.size), len(wrong), first)


def first_mismatch(rows: Sequence[Row]) -> str | None:
    """One line: pair, layer, window, token, index, both values, and how many differ in all; None if everything is equal."""
    wrong = [row for row in rows if row.mismatches]
    if not wrong:
        return None
    row = next((row for row in wrong if row.first), wrong[0])
    total = f"{sum(row.mismatches for row in wrong)} of {sum(row.values for row in wrong)} values differ"
    return f"{row.pair} does not hold at {row.boundary}: {_where(row)} ({total} at {len(wrong)} boundaries)"


def _where(row: Row) -> str:
    first = row.first
    if first is None:
        return f"{row.mismatches} values are missing or too many"
    token = f"token {first.index[0]}, " if len(first.index) > 1 else ""
    index = first.index[-1] if first.index else 0
    return f"window {first.window}, {token}index {index}: expected {first.expected}, found {first.found}"


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """exactness.json, complete or absent."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Rows of an exactness.json. Raises ExactnessError with one line for anything else, an empty comparison included."""
    try:
        rows = tuple(_row(entry) for entry in json.loads(path.read_text(encoding="utf-8"))["rows"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExactnessError(f"{path}: not a readable exactness.json ({error!r})") from error
    if not rows or any(row.values == 0 for row in rows):
        raise ExactnessError(f"{path}: compares nothing at some boundary; a check that checks nothing has not passed")
    return rows


def _row(entry: dict) -> Row:
    first = entry["first"]
    if first is not None:
        index = tuple(int(i) for i in first["index"])
        first = Mismatch(int(first["window"]), index, int(first["expected"]), int(first["found"]))
    return Row(entry["boundary"], entry["pair"], int(entry["windows"]), int(entry["values"]), int(entry["mismatches"]), first)


def layers_beyond_float32(parameters: IntegerParameters) -> list[str]:
    """Layers whose sums could leave what 32-bit floats hold exactly, by bounds: Brevitas and FINN compute in those.

    The quotients of a normalised attention are computed in 64-bit floats, from sums that those hold: `division_beyond_float64`.
    """
    design, found = parameters.design, []
    for layer in linear_layers(design):
        values = parameters.linear[layer.name]
        largest_input = max(-layer.input.min, layer.input.max)
        reach = np.abs(values.weight).sum(axis=1) * largest_input + np.abs(values.bias)
        if reach.max() >= EXACT_IN_FLOAT32:
            found.append(layer.name)
    for name, fmt in {"state": key_value_sum(design), "attention": attention_sum(design)}.items():
        in_float32 = name == "state" or design.model.normaliser == "none"
        if in_float32 and _reach(fmt) >= EXACT_IN_FLOAT32:
            found += [f"block{i}_{name}" for i in range(design.model.layers)]
    if _reach(token_sum(design)) >= EXACT_IN_FLOAT32:
        found.append("pool")
    return found


def division_beyond_float64(design: Design) -> bool:
    """Whether floor(a / b + 1/2) in 64-bit floats may differ from the half-up quotient of integers, saturated to the stream.

    Proof that it cannot, for integers a and b >= 1 that the floats hold exactly (a is an `attention_sum` times a power of two,
    b at most the power of two above `attention_weight`). Let u = 2**-53, x = a / b, m one more than the largest magnitude of an
    output. Float division is monotonic and m is a float, so where |x| > m both saturate. Elsewhere, if x is a tie, a half-odd
    number, both steps are exact. If not, x is at least 1 / (2b) away from every tie. Division errs by m * u at most and the
    addition by (m + 1) * u, so the float sum stays between the same two integers as long as (2m + 1) * u < 1 / (2b).
    """
    most = _reach(design.quant.stream) + 1
    divisor = 1 << attention_weight(design).bits
    return _reach(attention_sum(design)) >= EXACT_IN_FLOAT64 or 2 * divisor * (2 * most + 1) >= EXACT_IN_FLOAT64


def _reach(fmt: IntFormat) -> int:
    return max(-fmt.min, fmt.max)
