"""StreamBench: resets a block, drives its input streams, collects its output streams, watches the rules of docs/streams.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.lib import wiring
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer, gather, select
from cocotb.utils import get_sim_time

from rtl_sim.ports import StreamPort, plain_inputs, stream_ports
from rtl_sim.stalls import Stall, never

PERIOD_NS = 10
DRAIN_CYCLES = 24
"""Cycles after the last expected value in which a surplus one is caught."""


class StreamRuleBroken(AssertionError):
    """A stream did what docs/streams.md forbids, or stopped moving."""


class StreamBench:
    """One block under test: `dut` is the simulator's handle, `block` the Amaranth component it was made from.

    Streams, directions and payload shapes come from the block's signature. Values are integers (signed where the shape is),
    lists for array layouts, dictionaries for struct layouts. `stall` holds back every input and every output, each with its own
    seed. Python wakes only at transfers, at stalled cycles and on edges of valid and ready.
    """

    def __init__(self, dut: Any, stall: Stall = never, *, block: wiring.Component, watchdog_cycles: int = 20_000):
        ports = stream_ports(block)
        self.inputs = {port.name: port for port in ports if port.driven}
        self.outputs = {port.name: port for port in ports if not port.driven}
        self._dut, self._stall, self._plain = dut, stall, plain_inputs(block)
        self._watchdog_cycles = watchdog_cycles
        self._moved: dict[str, int] = {}
        self._clock_running = False
        self.collected: dict[str, list[Any]] = {name: [] for name in self.outputs}
        self.transfer_ns: dict[str, list[int]] = {port.name: [] for port in ports}
        """Simulation time of every transfer of the last run, for latency and throughput."""

    async def reset(self) -> None:
        """Start the clock on the first call, hold reset for two cycles; all plain inputs go to zero."""
        if not self._clock_running:
            self._clock_running = True
            Clock(self._dut.clk, PERIOD_NS, unit="ns").start()
        for name in self._plain:
            getattr(self._dut, name).value = 0
        for port in self.inputs.values():
            port.valid(self._dut).value = 0
            port.payload(self._dut).value = 0
        for port in self.outputs.values():
            port.ready(self._dut).value = 0
        self._dut.rst.value = 1
        for _ in range(2):
            await RisingEdge(self._dut.clk)
        self._dut.rst.value = 0
        await RisingEdge(self._dut.clk)

    async def run(
        self,
        values: Sequence[Any] | Mapping[str, Sequence[Any]],
        count: int | Mapping[str, int] | None = None,
        *,
        reset: bool = True,
        drain: bool = True,
    ) -> Any:
        """Drive `values`, collect `count` values per output, see that no more come.

        values: the one input's values, or {input: values}. count: of the one output, or {output: count}; None: as many as went
        in. Returns the one output's values, or {output: values}. reset=False goes on where the last run stopped.
        """
        fed = self._by_name(values, self.inputs, "input")
        if count is None:
            count = max((len(column) for column in fed.values()), default=0)
        wanted = self._by_name(
            count if isinstance(count, Mapping) or len(self.outputs) == 1 else dict.fromkeys(self.outputs, count),
            self.outputs,
            "output",
        )
        if reset:
            await self.reset()
        self.collected = {name: [] for name in self.outputs}
        self.transfer_ns = {name: [] for name in (*self.inputs, *self.outputs)}
        self._moved = {}
        seeds = {name: seed for seed, name in enumerate((*self.inputs, *self.outputs), start=1)}
        jobs = [self._feed(self.inputs[name], list(fed[name]), seeds[name]) for name in fed]
        jobs += [self._collect(self.outputs[name], wanted[name], seeds[name]) for name in wanted]
        await select(gather(*jobs), self._watch(fed, wanted))
        if drain:
            await self._drain()
        return next(iter(self.collected.values())) if len(self.outputs) == 1 else self.collected

    @staticmethod
    def _by_name(given: Any, ports: Mapping[str, StreamPort], kind: str) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            if len(ports) != 1:
                raise ValueError(f"StreamBench: the block's {kind}s are {', '.join(ports)}; give a dictionary by name")
            return {next(iter(ports)): given}
        unknown = [name for name in given if name not in ports]
        if unknown:
            raise ValueError(f"StreamBench: {unknown[0]!r} is no {kind} of the block; its {kind}s are {', '.join(ports)}")
        return dict(given)

    async def _feed(self, port: StreamPort, values: list[Any], seed: int) -> None:
        """Offer every value; between two of them as many idle cycles as the pattern says."""
        clock, pattern = RisingEdge(self._dut.clk), self._stall(seed)
        valid, ready, payload = port.valid(self._dut), port.ready(self._dut), port.payload(self._dut)
        for value in values:
            idle = 0
            while not next(pattern):
                idle += 1
            if idle:
                valid.value = 0
                await Timer(idle * PERIOD_NS, "ns")
                await clock
            payload.value = port.pack(value)
            valid.value = 1
            await clock
            while not int(ready.value):
                await RisingEdge(ready)
                await clock
            self._note(port)
        valid.value = 0

    async def _collect(self, port: StreamPort, count: int, seed: int) -> None:
        """Take `count` values, ready as the pattern says; the pattern stands still while valid is low."""
        clock, pattern = RisingEdge(self._dut.clk), self._stall(seed)
        valid, ready, payload = port.valid(self._dut), port.ready(self._dut), port.payload(self._dut)
        found, held = self.collected[port.name], None
        willing = next(pattern)
        ready.value = int(willing)
        while len(found) < count:
            await clock
            if not int(valid.value):
                if held is not None:
                    raise StreamRuleBroken(f"{port.name}: valid fell before value {len(found)} was taken")
                await RisingEdge(valid)
                continue
            raw = int(payload.value)
            if held is not None and raw != held:
                raise StreamRuleBroken(
                    f"{port.name}: payload of value {len(found)} changed from {held:#x} to {raw:#x} before the transfer"
                )
            if willing:
                found.append(port.unpack(raw))
                self._note(port)
            held = None if willing else raw
            again = next(pattern) if len(found) < count else False
            if again != willing:
                willing = again
                ready.value = int(willing)

    def _note(self, port: StreamPort) -> None:
        self._moved[port.name] = self._moved.get(port.name, 0) + 1
        self.transfer_ns[port.name].append(int(get_sim_time("ns")))

    def latency_cycles(self, source: str, sink: str, index: int = 0) -> int:
        """Cycles from transfer `index` of stream `source` to the one of stream `sink` in the last run."""
        return (self.transfer_ns[sink][index] - self.transfer_ns[source][index]) // PERIOD_NS

    def cycles(self, name: str) -> int:
        """Cycles from the first to the last transfer of stream `name` in the last run, both counted."""
        return (self.transfer_ns[name][-1] - self.transfer_ns[name][0]) // PERIOD_NS + 1

    async def _watch(self, fed: Mapping[str, Sequence[Any]], wanted: Mapping[str, int]) -> None:
        """Fail when nothing has moved anywhere for `watchdog_cycles`."""
        before: dict[str, int] | None = None
        while before != self._moved:
            before = dict(self._moved)
            await Timer(self._watchdog_cycles * PERIOD_NS, "ns")
        stuck = [self._state(self.inputs[name], "input", len(column)) for name, column in fed.items()]
        stuck += [self._state(self.outputs[name], "output", count) for name, count in wanted.items()]
        raise StreamRuleBroken(f"nothing moved for {self._watchdog_cycles} cycles: " + "; ".join(filter(None, stuck)))

    def _state(self, port: StreamPort, kind: str, total: int) -> str:
        done = self._moved.get(port.name, 0)
        if done >= total:
            return ""
        valid, ready = int(port.valid(self._dut).value), int(port.ready(self._dut).value)
        return f"{kind} {port.name} stands at {done} of {total} (valid={valid}, ready={ready})"

    async def _drain(self) -> None:
        """Ready everywhere for some cycles: any further value is one too many."""
        for port in self.outputs.values():
            port.ready(self._dut).value = 1
        for _ in range(DRAIN_CYCLES):
            await RisingEdge(self._dut.clk)
            for port in self.outputs.values():
                if int(port.valid(self._dut).value):
                    got = len(self.collected[port.name])
                    raise StreamRuleBroken(f"{port.name}: a value too many after {got} expected ones")
        for port in self.outputs.values():
            port.ready(self._dut).value = 0
