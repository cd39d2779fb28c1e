"""The gate-level simulator: 64 lanes of one netlist, streams in and out, toggles counted. The work is in gate_simulator.c."""

import ctypes
import subprocess
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np

from hw.power.netlist import ONE, NetlistError
from hw.power.simulation_tables import Tables

LANES = 64
SOURCE = Path(__file__).with_name("gate_simulator.c")
TICK_PS = 5
_I32, _I64, _PTR = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p


def _structure(name: str, integers: str, pointers: str, more: list[tuple[str, Any]] | None = None) -> Any:
    fields: list[tuple[str, Any]] = [(n, _I32) for n in integers.split()] + [(n, _PTR) for n in pointers.split()]
    return type(name, (ctypes.Structure,), {"_fields_": fields + (more or [])})


_Macro = _structure(
    "Macro",
    "depth address_bits width domain men wen ren place",
    "address din dout mask content",
    [("reads", _I64), ("writes", _I64)],
)
_Stream = _structure(
    "Stream", "is_input width valid ready enabled place", "data values first to position taken", [("capacity", _I64)]
)
_Sim = _structure(
    "Sim",
    "nets ops flops domains macros streams lane place",
    "op_code op_out op_first op_in fan_first fan_op fan_pin flop_d flop_q flop_inverse domain_parent domain_enable domain_net "
    "domain_flop macro stream value dirty next enable toggles ones since",
    [("cycle", _I64)]
    + [(n, _PTR) for n in ("rise", "fall", "source_delay", "bit", "delayed", "settled")]
    + [(n, _I64) for n in ("sampled", "differing", "lost")],
)


@dataclass(frozen=True)
class StreamPorts:
    """Nets of one valid/ready stream, payload from bit 0; `is_input` as the netlist sees it."""

    is_input: bool
    payload: tuple[int, ...]
    valid: int
    ready: int


@dataclass(frozen=True)
class Counts:
    """What happened in a stretch of `cycles` on all lanes. toggles, ones: by net, summed over lanes (ones: lane-cycles)."""

    cycles: int
    toggles: np.ndarray
    ones: np.ndarray
    reads: np.ndarray
    writes: np.ndarray
    """By macro of the tables."""

    @property
    def lane_cycles(self) -> int:
        return self.cycles * LANES

    def __add__(self, later: "Counts") -> "Counts":
        """Both stretches together."""
        pairs = ((getattr(self, field.name), getattr(later, field.name)) for field in fields(self))
        return Counts(*(one + other for one, other in pairs))


class GateSimulator:
    """Starts with random contents in every register and memory, different in each lane: silicon presets nothing.

    Lanes differ only in the values of their input streams. `drive` sets plain inputs, `feed` fills input streams, `run` runs.
    """

    def __init__(self, tables: Tables, streams: tuple[StreamPorts, ...], *, seed: int, taken_capacity: int = 4096):
        self.tables, self.streams = tables, streams
        self._keep: list[object] = []
        self._library = _compile(tables.cases)
        self._sim = sim = _Sim()
        rng = np.random.default_rng(seed)
        nets = tables.nets
        self._value = self._array(np.zeros(nets), np.uint64)
        self._toggles, self._ones, self._since = (self._array(np.zeros(nets), np.int64) for _ in range(3))
        self._fill_operations(sim)
        self._fill_registers(sim, rng)
        self._fill_macros(sim, rng)
        self._fill_streams(sim, taken_capacity)
        sim.nets, sim.cycle = nets, 0
        for name, array in (("value", self._value), ("toggles", self._toggles), ("ones", self._ones), ("since", self._since)):
            setattr(sim, name, array.ctypes.data)
        self._delayed, self._settled = (self._array(np.zeros(nets), np.int64) for _ in range(2))
        for name, array in (
            ("delayed", self._delayed),
            ("settled", self._settled),
            ("bit", self._array(np.zeros(nets), np.uint64)),
        ):
            setattr(sim, name, array.ctypes.data)
        self._value[ONE] = ~np.uint64(0)
        self._library.sim_settle_all(ctypes.byref(sim))

    # ---- use

    def drive(self, net: int, value: int) -> None:
        """Set a plain input on all lanes; it changes right after the last clock edge."""
        self._library.sim_set(ctypes.byref(self._sim), net, ctypes.c_uint64(~0 & 0xFFFFFFFFFFFFFFFF if value else 0))

    def feed(self, stream: int, values: np.ndarray) -> None:
        """Offer values to an input stream from now on: int64 [n] to all lanes, or [LANES, n] to each its own."""
        lanes = np.broadcast_to(values, (LANES, values.shape[-1])) if values.ndim == 2 else values
        data = self._array(np.ascontiguousarray(lanes).reshape(-1), np.int64)
        length = values.shape[-1]
        first = np.arange(LANES) * length if values.ndim == 2 else np.zeros(LANES)
        found = self._streams[stream]
        found.values = data.ctypes.data
        for name, start in (("first", first), ("position", first), ("to", first + length)):
            self._stream_arrays[stream][name][:] = start
        self._library.sim_enable(ctypes.byref(self._sim), stream, 1)

    def pause(self, stream: int) -> None:
        """Offer nothing on an input stream."""
        self._library.sim_enable(ctypes.byref(self._sim), stream, 0)

    def run(self, cycles: int, *, until: tuple[int, int] = (-1, 0), sample_every: int = 0) -> int:
        """Run up to `cycles`, or until each lane has moved `until` = (stream, values). Returns the cycles run.

        Every `sample_every`-th cycle one lane is also run with cell delays (needs `set_delays`).
        """
        self._library.sim_run.restype = ctypes.c_int64
        return self._library.sim_run(ctypes.byref(self._sim), _I64(cycles), _I32(until[0]), _I64(until[1]), _I64(sample_every))

    def taken(self, stream: int) -> list[np.ndarray]:
        """Values an output stream has given so far, by lane."""
        arrays = self._stream_arrays[stream]
        return [
            arrays["taken"][lane, : min(arrays["position"][lane], arrays["taken"].shape[1])].copy() for lane in range(LANES)
        ]

    def moved(self, stream: int) -> np.ndarray:
        """Transfers so far, by lane."""
        arrays = self._stream_arrays[stream]
        return arrays["position"] - arrays["first"]

    def values(self, nets: tuple[int, ...]) -> np.ndarray:
        """uint64 [nets]: the present value of each net, one bit per lane."""
        return self._value[list(nets)].copy()

    def take_counts(self) -> Counts:
        """What happened since the last call; starts counting anew."""
        self._library.sim_flush(ctypes.byref(self._sim))
        cycles = self._sim.cycle
        counts = Counts(
            cycles,
            self._toggles.copy(),
            self._ones.copy(),
            np.array([macro.reads for macro in self._macros[: len(self.tables.macros)]], np.int64),
            np.array([macro.writes for macro in self._macros[: len(self.tables.macros)]], np.int64),
        )
        for array in (self._toggles, self._ones, self._since):
            array[:] = 0
        for macro in self._macros:
            macro.reads = macro.writes = 0
        self._sim.cycle = 0
        return counts

    def set_delays(self, rise_ps: np.ndarray, fall_ps: np.ndarray, source_ps: np.ndarray) -> None:
        """Delays in ps per operation input (in the order of the tables), and per net from the clock edge (-1: not a source)."""
        for name, values in (("rise", rise_ps), ("fall", fall_ps)):
            setattr(self._sim, name, self._array(np.rint(values / TICK_PS), np.int32).ctypes.data)
        ticks = np.where(source_ps < 0, -1, np.rint(source_ps / TICK_PS))
        self._sim.source_delay = self._array(ticks, np.int32).ctypes.data

    def delayed_counts(self) -> tuple[np.ndarray, np.ndarray, int]:
        """(toggles with delays, toggles without, cycles sampled), by net. The two simulations must have settled alike."""
        if self._sim.differing or self._sim.lost:
            raise NetlistError(
                f"{self.tables.netlist.top}: the delayed simulation did not settle to the zero-delay values "
                f"({self._sim.differing} nets differ, {self._sim.lost} events left)"
            )
        return self._delayed.copy(), self._settled.copy(), self._sim.sampled

    # ---- tables

    def _array(self, values: Any, dtype: type) -> np.ndarray:
        array: np.ndarray = np.ascontiguousarray(values, dtype=dtype)
        if array.size == 0:
            array = np.zeros(1, dtype)
        self._keep.append(array)
        return array

    def _fill_operations(self, sim: ctypes.Structure) -> None:
        operations = self.tables.operations
        lengths = [len(op.ins) for op in operations]
        first = np.concatenate([[0], np.cumsum(lengths)])
        ins = np.array([net for op in operations for net in op.ins], np.int64)
        owner = np.repeat(np.arange(len(operations)), lengths)
        by_net = np.argsort(ins, kind="stable")
        fan_first = np.searchsorted(ins[by_net], np.arange(self.tables.nets + 1))
        sim.ops = len(operations)
        for name, values in (
            ("op_code", [op.code for op in operations]),
            ("op_out", [op.out for op in operations]),
            ("op_first", first),
            ("op_in", ins),
            ("fan_first", fan_first),
            ("fan_op", owner[by_net]),
            ("fan_pin", by_net),
        ):
            setattr(sim, name, self._array(values, np.int32).ctypes.data)
        sim.dirty = self._array(np.zeros(len(operations) // 64 + 1), np.uint64).ctypes.data

    def _fill_registers(self, sim: ctypes.Structure, rng: np.random.Generator) -> None:
        domains = self.tables.domains
        flops = [flop for domain in domains for flop in domain.flops]
        sim.flops, sim.domains = len(flops), len(domains)
        columns: list[Any] = list(zip(*flops, strict=True)) or [[], [], [], []]
        for name, values in (
            ("flop_d", columns[0]),
            ("flop_q", columns[1]),
            ("flop_inverse", columns[2]),
            ("domain_parent", [domain.parent for domain in domains]),
            ("domain_enable", [domain.enable for domain in domains]),
            ("domain_net", [domain.net for domain in domains]),
            ("domain_flop", np.concatenate([[0], np.cumsum([len(domain.flops) for domain in domains])])),
        ):
            setattr(sim, name, self._array(values, np.int32).ctypes.data)
        sim.next = self._array(np.zeros(len(flops)), np.uint64).ctypes.data
        sim.enable = self._array(np.zeros(len(domains)), np.uint64).ctypes.data
        for _, q, inverse, _ in flops:
            self._value[q] = rng.integers(0, 1 << 64, dtype=np.uint64)
            if inverse >= 0:
                self._value[inverse] = ~self._value[q]

    def _fill_macros(self, sim: ctypes.Structure, rng: np.random.Generator) -> None:
        self._macros = (_Macro * max(1, len(self.tables.macros)))()
        for macro, (index, domain) in zip(self._macros, self.tables.macros, strict=False):
            instance = self.tables.netlist.instances[index]
            address_bits, width = instance.cell.memory or (0, 0)
            depth = 1 << address_bits
            macro.depth, macro.address_bits, macro.width, macro.domain = depth, address_bits, width, domain
            macro.men, macro.wen, macro.ren = (instance.pins[pin] for pin in ("A_MEN", "A_WEN", "A_REN"))
            for name, pin, bits in (("address", "A_ADDR", address_bits), ("din", "A_DIN", width), ("dout", "A_DOUT", width)):
                setattr(macro, name, self._array([instance.pins[f"{pin}[{i}]"] for i in range(bits)], np.int32).ctypes.data)
            mask = [instance.pins.get(f"A_BM[{i}]", -1) for i in range(width)]
            macro.mask = self._array(mask, np.int32).ctypes.data
            content = self._array(rng.integers(0, 1 << 64, size=depth * width, dtype=np.uint64), np.uint64)
            macro.content = content.ctypes.data
            for i in range(width):
                self._value[instance.pins[f"A_DOUT[{i}]"]] = rng.integers(0, 1 << 64, dtype=np.uint64)
        sim.macros, sim.macro = len(self.tables.macros), ctypes.addressof(self._macros)

    def _fill_streams(self, sim: ctypes.Structure, taken_capacity: int) -> None:
        self._streams = (_Stream * max(1, len(self.streams)))()
        self._stream_arrays: list[dict[str, np.ndarray]] = []
        for stream, ports in zip(self._streams, self.streams, strict=False):
            stream.is_input, stream.width, stream.valid, stream.ready = (
                ports.is_input,
                len(ports.payload),
                ports.valid,
                ports.ready,
            )
            stream.data = self._array(ports.payload, np.int32).ctypes.data
            stream.values = self._array([0], np.int64).ctypes.data
            arrays = {name: self._array(np.zeros(LANES), np.int64) for name in ("first", "to", "position")}
            stream.capacity = 0 if ports.is_input else taken_capacity
            arrays["taken"] = self._array(np.zeros((LANES, taken_capacity if not ports.is_input else 1)), np.int64)
            for name, array in arrays.items():
                setattr(stream, name, array.ctypes.data)
            self._stream_arrays.append(arrays)
        sim.streams, sim.stream = len(self.streams), ctypes.addressof(self._streams)


def _compile(cases: list[str]) -> ctypes.CDLL:
    """The simulator for these cell functions; a second or so."""
    compiler = which("cc") or which("gcc") or which("clang")
    if compiler is None:
        raise NetlistError("no C compiler on PATH for the gate simulator; install gcc")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "gate_simulator.so"
        (Path(folder) / "cell_functions.inc").write_text("\n".join(cases))
        command = [compiler, "-O2", "-shared", "-fPIC", "-w", f"-I{folder}", str(SOURCE), "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise NetlistError(f"the gate simulator did not compile: {done.stderr.strip().splitlines()[0]}")
        return ctypes.CDLL(str(library))
