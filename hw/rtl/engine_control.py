"""What the engine's two sequencers share: ports, and how a step's operands are asked for (docs/blocks/engine.md)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.schema import Design
from hw.plan.engine import weight_pack
from hw.plan.passes import Pass
from hw.rtl.pass_table import PassFields
from hw.rtl.single_port_memory import Access


class EngineControl(wiring.Component, ABC):
    """Goes through the passes of `program`, again and again, as operands come.

    now: the pass `index`, a cycle after `fetch`. <stream>_valid, _ready: of `handshakes`; o_valid, o_ready: of the readout.
    <memory>: accesses of each of `memories`, by name and depth. steer: the datapath. last, deciding: a pass writes its last
    part of a word; enough tokens have come, so what it writes counts. only_weights: of the parameters no others are read.
    A step is issued, that is asked of the memories, one cycle before it is taken.
    """

    def __init__(
        self,
        design: Design,
        program: tuple[Pass, ...],
        *,
        handshakes: Sequence[str],
        memories: Mapping[str, int],
        steering: wiring.Signature,
    ):
        self.design, self.program, self.rows_depth = design, program, memories["rows"]
        ports = {f"{name}_valid": In(1) for name in handshakes} | {f"{name}_ready": Out(1) for name in handshakes}
        super().__init__(
            ports
            | {
                "now": In(PassFields(program)),
                "index": Out(range(len(program))),
                "fetch": Out(1),
                "o_valid": Out(1),
                "o_ready": In(1),
                **{name: Out(Access(depth)) for name, depth in memories.items()},
                "steer": Out(steering),
                "only_weights": Out(1),
                "last": Out(1),
                "deciding": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._count(m)
        self._take(m)
        self._write(m)
        return m

    @abstractmethod
    def _count(self, m: Module) -> None:
        """Drives `index`, `fetch`, and the counters that the other two read: _step, _runs among them."""

    @abstractmethod
    def _take(self, m: Module) -> None:
        """Calls `_step_operands`, and says what comes besides."""

    @abstractmethod
    def _write(self, m: Module) -> None:
        """Sums to the memories, a word per transfer, and to the readout."""

    def _step_operands(self, m: Module, from_memory: Value, is_split: Value) -> None:
        """Operands in steps: `_issue` asks for a step's, `_multiplied` takes them, `_moved` takes the last half of them.

        from_memory: the shared operand is no weight. is_split: the state is taken half by half, the lower one first. The caller
        drives steer.take and steer.first, with `_multiplied` and `_is_first` in them. `_ready`: operands and bias are there.
        """
        now, steer = self.now, self.steer
        has_operands, self._is_first, self._multiplied, self._moved = Signal(), Signal(), Signal(), Signal()
        stepping, starting = Signal(), Signal()  # the array multiplies what it took, and begins new sums
        takes_bias = stepping & starting & now.has_bias
        self._awaits_bias = steer.first & now.has_bias & (~self.biases_valid | takes_bias)
        self._ready = (from_memory | self.weights_valid) & ~self._awaits_bias
        self._word_done = self._moved & ~from_memory & (steer.later | (weight_pack(self.design) == 1))
        m.d.comb += [
            self._multiplied.eq(has_operands & self._ready),
            self._moved.eq(self._multiplied & (~is_split | steer.half)),
            # a sum is there two cycles after its last operands; what reads a word before it writes need not wait for that
            self._settled.eq(Mux(now.residual, self._moved, stepping & ~has_operands)),
            self._issue.eq(self._runs & (~has_operands | self._moved)),
            self.biases_ready.eq(takes_bias),
        ]
        m.d.sync += stepping.eq(steer.take)
        with m.If(steer.take):
            m.d.sync += starting.eq(steer.first)
        with m.If(self._multiplied & is_split):
            m.d.sync += steer.half.eq(~steer.half)
        with m.If(self._issue | self._moved):
            m.d.sync += has_operands.eq(self._issue)
        with m.If(self._issue):
            m.d.sync += self._is_first.eq(self._step == 0)
            if weight_pack(self.design) == 2:
                m.d.sync += steer.later.eq(self._step[0])
