"""Prototype boards: what they offer, and the top level that puts the decoder behind their UART (docs/prototype.md)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial

from amaranth.build import Platform
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import wiring
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from designs.layer_table import linear_layer, linear_layers
from designs.schema import Design, DesignError
from hw.rtl.host_link import DecisionSender, SampleReceiver
from hw.rtl.ind import Ind
from hw.rtl.matrix_vector import MatrixVector
from hw.rtl.uart import UartReceiver, UartTransmitter
from quant.golden.parameters import IntegerParameters

NEVER_BOTH = "setparam -set COLLISION_X_MASK 1'1 t:$memrd_v2 r:CLK_ENABLE=1 %i"
"""Our memories never read and write in one cycle (hw.rtl.single_port_memory): Yosys need not build logic for that case."""
VECTORS_IN_BLOCK_RAM = 'setattr -set ram_style "block" *.replay.memory/m:*'
"""Input vectors are short, and Yosys would keep them in registers."""

NETLIST_WEIGHTS = 4096
"""Synthesis, model and 20 windows of cells take about a minute for ind_tiny and eight for ind_int4."""


@dataclass(frozen=True)
class Board:
    """One board. `resources`: what the report counts, by the name nextpnr gives it, `cells`: by the types of Yosys' netlist;
    `after_read`: Yosys commands before synthesis, `synth_opts`: its options; `seed`: of the placer."""

    name: str
    device: str
    family: str
    platform: Callable[[], Platform]
    clock_hz: int
    baud: int
    resources: dict[str, str]
    bitstream: str
    cells: dict[str, str] = field(default_factory=dict)
    """Metric -> regular expression of cell types."""
    after_read: tuple[str, ...] = (NEVER_BOTH,)
    synth_opts: str = ""
    seed: int = 1
    backend: str = "amaranth"
    """HardwareSpec.backend. On FPGAs a pipeline of narrow layers is smaller than the engine, whose array spreads its operands
    far: ind_int4 took 11,221 against 15,994 LUTs of the ULX3S, 45 against 31 MHz, its step bitstream 4 against 18 minutes."""

    @property
    def bytes_per_s(self) -> float:
        """What the UART carries: ten bits a byte."""
        return self.baud / 10


BOARDS = {
    board.name: board
    for board in (
        Board(
            name="icebreaker",
            device="iCE40UP5K",
            family="ice40",
            platform=ICEBreakerPlatform,
            clock_hz=12_000_000,
            baud=1_000_000,
            resources={"logic_cells": "ICESTORM_LC", "brams": "ICESTORM_RAM", "dsps": "ICESTORM_DSP"},
            bitstream="prototype.bin",
            cells={"luts": "SB_LUT4", "ffs": "SB_DFF.*"},  # nextpnr counts cells of one LUT and one flip-flop each
            after_read=(NEVER_BOTH, VECTORS_IN_BLOCK_RAM),
            synth_opts="-dsp",
        ),
        Board(
            name="ulx3s-85f",
            device="LFE5U-85F",
            family="ecp5",
            platform=ULX3S_85F_Platform,
            clock_hz=25_000_000,
            baud=1_000_000,
            resources={"luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "brams": "DP16KD", "dsps": "MULT18X18D"},
            bitstream="prototype.bit",
        ),
    )
}


def find_board(name: str) -> Board:
    """The board called `name`; DesignError names the nearest one, or all of them."""
    if name in BOARDS:
        return BOARDS[name]
    near = get_close_matches(name, BOARDS, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the boards are {', '.join(BOARDS)}"
    raise DesignError(f"board {name!r} is unknown: {hint}")


def fit_to_board(design: Design, board: Board) -> Design:
    """`design` at the board's clock and with its backend; a pipeline gets the fewest multipliers that keep real time with half
    of the cycles to spare.

    Raises DesignError where the UART cannot carry the samples.
    """
    tokenizer = design.tokenizer
    needed = 2 * tokenizer.channels * tokenizer.sample_hz
    if needed > board.bytes_per_s:
        raise DesignError(
            f"{design.name}: {tokenizer.channels} channels at {tokenizer.sample_hz} Hz are {needed} bytes/s, more than the "
            f"{board.bytes_per_s:g} bytes/s of {board.name}'s UART; use fewer channels"
        )
    cycles = board.clock_hz * tokenizer.token_ms // 1000 // 2
    hardware = replace(design.hardware, clock_khz=board.clock_hz // 1000, stage_cycles=cycles, backend=board.backend)
    return replace(design, hardware=hardware)


def why_no_netlist(design: Design, board: Board) -> str:
    """Why the decoder's cells are not simulated in a build; "" where they are."""
    if board.family != "ecp5":
        return f"no models of {board.family} cells"
    weights = sum(layer.inputs * layer.outputs for layer in linear_layers(design))
    if weights > NETLIST_WEIGHTS:
        return f"{weights} weights, more than the {NETLIST_WEIGHTS} whose cells are simulated within minutes"
    return ""


def prototype_decoder(design: Design, parameters: IntegerParameters, *, taps: bool = False) -> Ind:
    """The decoder that a board holds; `design` as `fit_to_board` made it. `taps`: for simulation, otherwise the same.

    Its weights are preset for good, and input vectors are in block RAM, which is plentiful where registers are not.
    """
    core = partial(MatrixVector, register_inputs_max=0)
    return Ind(design, parameters, matrix_vector=core, loadable=False, taps=taps)


class Prototype(Elaboratable):
    """The decoder between a board's UART receiver and transmitter, its weights preset by the bitstream.

    LED 0: weights are in place. LED 1: bytes were lost since the last reset.
    """

    def __init__(self, design: Design, parameters: IntegerParameters, board: Board):
        self.design, self.parameters, self.board = design, parameters, board

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        divisor = round(self.board.clock_hz / self.board.baud)
        m.submodules.receiver = receiver = UartReceiver(divisor=divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(divisor=divisor)
        tokenizer = self.design.tokenizer
        m.submodules.samples = samples = SampleReceiver(sample=tokenizer.input, channels=tokenizer.channels)
        outputs, readout = self.design.model.outputs, linear_layer(self.design, "readout").acc
        m.submodules.decisions = decisions = DecisionSender(outputs=outputs, readout=readout)
        m.submodules.ind = ind = prototype_decoder(self.design, self.parameters)
        uart = platform.request("uart")
        m.d.comb += [receiver.rx.eq(uart.rx.i), uart.tx.o.eq(transmitter.tx)]
        wiring.connect(m, receiver.o, samples.i)
        wiring.connect(m, decisions.o, transmitter.i)
        m.d.comb += [
            ind.s_axis_tdata.eq(samples.o.payload),
            ind.s_axis_tvalid.eq(samples.o.valid),
            samples.o.ready.eq(ind.s_axis_tready),
            decisions.i.payload.value.eq(ind.m_axis_tdata),
            decisions.i.payload.decision.eq(ind.m_axis_tuser),
            decisions.i.payload.last.eq(ind.m_axis_tlast),
            decisions.i.valid.eq(ind.m_axis_tvalid),
            ind.m_axis_tready.eq(decisions.i.ready),
            ind.armed.eq(1),
            platform.request("led", 0).o.eq(ind.loaded),
            platform.request("led", 1).o.eq(samples.misaligned),
        ]
        return m
