"""The whole decoder under cocotb, timed: Python waking in every cycle, and waking at transfers only."""

import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, select
from cocotb.utils import get_sim_time

from designs.catalogue import CATALOGUE
from designs.schema import Design
from hw.rtl.ind import Ind
from rtl_sim.random_parameters import random_parameters, random_samples
from rtl_sim.stream_bench import PERIOD_NS
from rtl_sim.variants import block_under_test

RESULTS = "BENCHMARK_RESULTS"
"""Environment variable: file to which one JSON line per measurement is appended."""
SEED, DECISIONS = 1, 2


def decoder(design: Design) -> Ind:
    return Ind(design, random_parameters(design, seed=SEED))


VARIANTS: dict[str, Callable[[], Ind]] = {name: partial(decoder, design) for name, design in CATALOGUE.items()}


async def start(dut: Any) -> None:
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
    for name in ("s_axis_tvalid", "load_tvalid", "armed"):
        getattr(dut, name).value = 0
    dut.m_axis_tready.value, dut.rst.value = 1, 1
    for _ in range(2):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


async def feed_at_transfers(dut: Any, samples: list[int]) -> None:
    clock = RisingEdge(dut.clk)
    for sample in samples:
        dut.s_axis_tdata.value, dut.s_axis_tvalid.value = sample & 0xFFFF, 1
        await clock
        while not int(dut.s_axis_tready.value):
            await RisingEdge(dut.s_axis_tready)
            await clock
    dut.s_axis_tvalid.value = 0


async def feed_every_cycle(dut: Any, samples: list[int]) -> None:
    clock = RisingEdge(dut.clk)
    for sample in samples:
        dut.s_axis_tdata.value, dut.s_axis_tvalid.value = sample & 0xFFFF, 1
        await clock
        while not int(dut.s_axis_tready.value):
            await clock
    dut.s_axis_tvalid.value = 0


async def collect_at_transfers(dut: Any, decisions: int) -> None:
    while decisions:
        await RisingEdge(dut.m_axis_tlast)
        decisions -= 1
    await RisingEdge(dut.clk)


async def collect_every_cycle(dut: Any, decisions: int) -> None:
    clock = RisingEdge(dut.clk)
    while decisions:
        await clock
        decisions -= int(dut.m_axis_tvalid.value) and int(dut.m_axis_tlast.value)


async def forever() -> None:
    await cocotb.triggers.Event().wait()


async def measure(dut: Any, name: str, feed: Callable, collect: Callable) -> None:
    """Samples at full speed until the first decisions have come; one JSON line with cycles and seconds."""
    design = block_under_test(VARIANTS).design
    samples = random_samples(design, tokens=design.model.tokens + DECISIONS, seed=2).reshape(-1).tolist()
    await start(dut)
    began, cpu, first_ns = time.perf_counter(), time.process_time(), get_sim_time("ns")

    async def feed_and_stay() -> None:
        await feed(dut, samples)
        await forever()

    await select(feed_and_stay(), collect(dut, DECISIONS))
    cycles = int((get_sim_time("ns") - first_ns) / PERIOD_NS)
    row = {"name": name, "cycles": cycles, "wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    row["decisions"] = DECISIONS
    with Path(os.environ[RESULTS]).open("a") as results:
        results.write(json.dumps(row) + "\n")


@cocotb.test()
async def waking_every_cycle(dut):
    await measure(dut, "cocotb, waking every cycle", feed_every_cycle, collect_every_cycle)


@cocotb.test()
async def waking_at_transfers(dut):
    await measure(dut, "cocotb, waking at transfers", feed_at_transfers, collect_at_transfers)
