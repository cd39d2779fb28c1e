"""How many values pass at once at each boundary of a decoder as built, and in which order: what simulation compares."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from designs.layer_table import StreamShape, streams, tokens_at_once
from designs.schema import Design
from hw.plan.engine import engine_rows
from hw.plan.passes import LANE


class Order(Enum):
    """In which order a decision's values [tokens, outputs] pass."""

    TOKENS = "token after token"
    OUTPUTS = "output after output, all tokens side by side"
    GROUPS = "group after group of outputs side by side, in each token after token"


@dataclass(frozen=True)
class Tap:
    """A boundary: `lanes` values per transfer, lane 0 first, each in `stride` bits of the payload."""

    stream: StreamShape
    order: Order = Order.TOKENS
    lanes: int = 1

    @property
    def name(self) -> str:
        return self.stream.name

    @property
    def stride(self) -> int:
        return self.stream.format.bits if self.lanes == 1 else LANE.bits

    @property
    def payload_bits(self) -> int:
        return self.lanes * self.stride

    @property
    def places(self) -> np.ndarray:
        """int64 [values of a decision]: place of each passing value in the row-major stream."""
        places = np.arange(int(np.prod(self.stream.shape))).reshape(self.stream.shape)
        if self.order is Order.OUTPUTS:
            places = places.T
        elif self.order is Order.GROUPS:
            places = places.reshape(len(places), -1, self.lanes).swapaxes(0, 1)
        return places.reshape(-1)

    def in_order(self, values: np.ndarray) -> np.ndarray:
        """values [decisions, *shape] -> [decisions, values of a decision] as they pass."""
        return values.reshape(len(values), -1)[:, self.places]


def taps(design: Design) -> tuple[Tap, ...]:
    """Every boundary of designs.layer_table.streams, as the design's backend lets its values pass."""
    if design.hardware.backend != "engine":
        return tuple(Tap(stream) for stream in streams(design))
    rows, tokens = engine_rows(design), tokens_at_once(design)
    found = []
    for stream in streams(design):
        if design.model.streaming:
            found.append(_tap_of_a_token(stream, rows))
        elif len(stream.shape) < 2:
            found.append(Tap(stream))
        elif stream.name.endswith(("_key", "_value")):
            found.append(Tap(stream, Order.GROUPS, rows))
        else:
            found.append(Tap(stream, Order.OUTPUTS, tokens))
    return tuple(found)


def _tap_of_a_token(stream: StreamShape, rows: int) -> Tap:
    """A state passes as one of keys after keys, where there are else tokens after tokens."""
    if stream.name.endswith("_state"):
        return Tap(stream, Order.GROUPS, rows)
    return Tap(stream, lanes=rows if stream.name.endswith("_value") else 1)
