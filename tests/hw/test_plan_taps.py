"""Values pass the taps in an order that is said, and nothing is lost or doubled on the way."""

from math import prod

import numpy as np
import pytest

from designs.layer_table import StreamShape, streams
from designs.number_format import INT8, UINT4
from designs.schema import Design
from hw.plan.engine import engine_rows
from hw.plan.passes import LANE
from hw.plan.taps import Order, Tap, taps
from rtl_sim.backends import WINDOWED, with_backend

DESIGNS = [with_backend(name, backend) for name in WINDOWED for backend in ("engine", "amaranth", "finn")]
DESIGNS.append(with_backend("ind_stream_int4", "engine"))
each_design = pytest.mark.parametrize("design", DESIGNS, ids=lambda design: f"{design.name}-{design.hardware.backend}")


@each_design
def test_every_boundary_has_a_tap_and_every_value_passes_once(design: Design) -> None:
    assert [tap.stream for tap in taps(design)] == list(streams(design))
    for tap in taps(design):
        assert sorted(tap.places.tolist()) == list(range(prod(tap.stream.shape))), tap.name
        assert prod(tap.stream.shape) % tap.lanes == 0


@each_design
def test_values_in_order_find_their_way_back(design: Design) -> None:
    for tap in taps(design):
        values = np.random.default_rng(3).integers(-128, 128, (3, *tap.stream.shape))
        passed = tap.in_order(values)
        back = np.empty_like(passed)
        back[:, tap.places] = passed
        assert back.reshape(values.shape).tolist() == values.tolist()


def test_the_orders_by_hand() -> None:
    """3 tokens of 4 outputs, numbered 0 to 11."""
    stream, values = StreamShape("small", (3, 4), UINT4), np.arange(12).reshape(1, 3, 4)
    assert Tap(stream).in_order(values).tolist() == [list(range(12))]
    by_outputs = Tap(stream, Order.OUTPUTS, lanes=3)
    assert by_outputs.in_order(values).tolist() == [[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]
    by_groups = Tap(stream, Order.GROUPS, lanes=2)
    assert by_groups.in_order(values).tolist() == [[0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]]


def test_lanes_are_as_wide_as_the_engines_places() -> None:
    stream = StreamShape("small", (3, 4), UINT4)
    assert (Tap(stream).stride, Tap(stream).payload_bits) == (4, 4)
    assert (Tap(stream, Order.GROUPS, 2).stride, Tap(stream, Order.GROUPS, 2).payload_bits) == (8, 16)
    assert Tap(StreamShape("whole", (2,), INT8)).stride == LANE.bits == 8


@pytest.mark.parametrize("name", WINDOWED)
def test_the_engine_shows_all_tokens_or_all_rows_at_once_and_a_pipeline_one_value(name: str) -> None:
    design = with_backend(name, "engine")
    found = {tap.name: (tap.order, tap.lanes) for tap in taps(design)}
    rows, tokens = engine_rows(design), design.model.tokens
    assert found["block0_key"] == found["block0_value"] == (Order.GROUPS, rows)
    assert found["window"] == found["block0_query"] == found["block0_expand"] == (Order.OUTPUTS, tokens)
    assert found["tokens"] == found["embed"] == found["readout"] == (Order.TOKENS, 1)
    assert found.get("pool") == ((Order.TOKENS, 1) if design.model.pool == "mean" else None)
    assert ("decision" in found) == (design.model.task == "classification")
    assert {(tap.order, tap.lanes) for tap in taps(with_backend(name, "amaranth"))} == {(Order.TOKENS, 1)}
