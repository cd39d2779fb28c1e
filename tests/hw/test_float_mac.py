"""The binary32 units against numpy's float32, bit by bit, products below 2^-126 taken as zero: corners, random bits, and what
hypothesis thinks of."""

from collections.abc import Callable

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from hw.flow.float_reference import float_sums
from hw.flow.operands import Sequences
from hw.reference.binary32 import NAN
from hw.reference.float_mac import FloatAdder, FloatMac, FloatMultiplier

SMALLEST_NORMAL = 2.0**-126
CORNERS = [
    0x00000000, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF, 0xFF7FFFFF,
    0x00800000, 0x80800000, 0x00800001, 0x007FFFFF, 0x00000001, 0x3F7FFFFF, 0x3F800001, 0x4B800000, 0x4B7FFFFF,
    0x33800000, 0x34000000, 0x33FFFFFF, 0x1FFFFFFF, 0x20000000, 0x3F000000, 0x3EFFFFFF, 0x5F000000, 0x40490FDB,
    0x3FFFFFFD, 0x3D800001,
]  # fmt: skip


def flushed(bits: np.ndarray) -> np.ndarray:
    """Subnormals as zeros of their sign."""
    return np.where(bits & 0x7F800000, bits, bits & 0x80000000).astype(np.uint32)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What FloatMultiplier says of itself, by numpy: uint32 -> uint32."""
    x, y = (flushed(v).view(np.float32) for v in (a, b))
    with np.errstate(all="ignore"):
        found = x * y
        exact = np.abs(x.astype(np.float64) * y.astype(np.float64))
    bits = found.view(np.uint32)
    return np.where(np.isnan(found), NAN, np.where(exact < SMALLEST_NORMAL, bits & 0x80000000, bits)).astype(np.uint32)


def total(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """What FloatAdder says of itself, by numpy; a sum that is below the smallest normal is exact."""
    x, y = (flushed(v).view(np.float32) for v in (a, b))
    with np.errstate(all="ignore"):
        found = x + y
    return np.where(np.isnan(found), NAN, flushed(found.view(np.uint32))).astype(np.uint32)


def run(unit: FloatMultiplier | FloatAdder, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The unit's outputs, simulated."""
    found = []

    async def bench(context) -> None:
        for left, right in zip(a.tolist(), b.tolist(), strict=True):
            context.set(unit.a, left)
            context.set(unit.b, right)
            await context.delay(1e-6)
            found.append(context.get(unit.o))

    simulator = Simulator(unit)
    simulator.add_testbench(bench)
    simulator.run()
    return np.array(found, np.uint32)


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Every pair of corners; random bits; close values, whose difference cancels; products around the smallest normal."""
    rng = np.random.default_rng(3)
    grid = np.array([(a, b) for a in CORNERS for b in CORNERS], np.uint32)
    bits = rng.integers(0, 1 << 32, (1500, 2), dtype=np.uint64).astype(np.uint32)
    near = bits[:800].copy()
    near[:, 1] = (near[:, 0] + rng.integers(-9, 10, 800)).astype(np.uint32) ^ np.uint32(0x80000000)
    same = bits[:800].copy()
    same[:, 1] = (same[:, 1] & 0x807FFFFF) | (
        np.clip((same[:, 0] >> 23 & 255).astype(int) + rng.integers(-26, 27, 800), 0, 255) << 23
    ).astype(np.uint32)
    small = bits[:800].copy()
    exponent = small[:, 0] >> 23 & 127
    small[:, 0] = (small[:, 0] & 0x807FFFFF) | exponent << 23
    small[:, 1] = (small[:, 1] & 0x807FFFFF) | (127 + rng.integers(-1, 2, 800) - exponent).astype(np.uint32) << 23
    everything = np.concatenate([grid, bits, near, same, small])
    return everything[:, 0], everything[:, 1]


@pytest.mark.parametrize(("unit", "twin"), [(FloatMultiplier, product), (FloatAdder, total)])
def test_every_bit_is_numpys(unit: Callable, twin: Callable) -> None:
    a, b = pairs()
    found, wanted = run(unit(), a, b), twin(a, b)
    wrong = np.flatnonzero(found != wanted)
    assert wrong.size == 0, [(hex(a[i]), hex(b[i]), hex(found[i]), hex(wanted[i])) for i in wrong[:5]]


floats = st.floats(width=32, allow_subnormal=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(floats, floats), min_size=40, max_size=40))
def test_every_bit_is_numpys_for_any_floats(values: list[tuple[float, float]]) -> None:
    bits = np.array(values, np.float32).view(np.uint32)
    for unit, twin in ((FloatMultiplier(), product), (FloatAdder(), total)):
        assert run(unit, bits[:, 0], bits[:, 1]).tolist() == twin(bits[:, 0], bits[:, 1]).tolist()


def test_a_sum_of_products_is_numpys_rounded_after_each() -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=200).astype(np.float32).view(np.uint32) for _ in range(2))
    unit, found, wanted, current = FloatMac(), [], [], np.zeros(1, np.uint32)

    async def bench(context) -> None:
        for step, (left, right) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
            context.set(unit.a, left)
            context.set(unit.b, right)
            context.set(unit.first, step % 32 == 0)
            await context.tick()
            found.append(context.get(unit.o))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    for step in range(200):
        current = total(np.zeros(1, np.uint32) if step % 32 == 0 else current, product(a[step : step + 1], b[step : step + 1]))
        wanted.append(int(current[0]))
    assert found[1:] == wanted[:-1]  # a sum is there two cycles after its operands


def test_a_product_just_below_the_smallest_normal_is_zero_though_numpy_rounds_it_up() -> None:
    """(1 - 2^-24) 2^-126 lies halfway between 2^-126 and the subnormal below it."""
    a = np.array([0x3F7FFFFF, 0xBF7FFFFF, 0x3F800000], np.uint32)
    b = np.array([0x00800000, 0x00800000, 0x80800000], np.uint32)
    assert (a.view(np.float32) * b.view(np.float32)).tolist() == [SMALLEST_NORMAL, -SMALLEST_NORMAL, -SMALLEST_NORMAL]
    wanted = [0x00000000, 0x80000000, 0x80800000]
    assert run(FloatMultiplier(), a, b).tolist() == product(a, b).tolist() == wanted
    sums = float_sums(Sequences(a.view(np.float32)[:, None], b.view(np.float32)[:, None], np.ones((3, 1), np.int64)))
    assert sums[:, 0].view(np.uint32).tolist() == [0, 0, 0x80800000]  # a sum begins at +0


def test_the_sums_that_the_unit_is_held_to_are_those_of_its_parts() -> None:
    a, b = (side[-800:].reshape(8, 100) for side in pairs())  # products around the smallest normal
    usual = np.isfinite(a.view(np.float32)) & np.isfinite(b.view(np.float32))
    a, b = np.where(usual, a, 0).astype(np.uint32), np.where(usual, b, 0).astype(np.uint32)
    first = np.zeros(a.shape, np.int64)
    first[:, ::4] = 1
    found = float_sums(Sequences(a.view(np.float32), b.view(np.float32), first)).view(np.uint32)
    current = np.zeros(len(a), np.uint32)
    for step in range(a.shape[1]):
        current = total(np.where(first[:, step], 0, current).astype(np.uint32), product(a[:, step], b[:, step]))
        assert found[:, step].tolist() == current.tolist(), step
