"""ReLU linear attention over one window (docs/blocks/linear_attention.md)."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import attention_sum, key_value_sum
from designs.schema import Design
from hw.plan.folding import Folding
from hw.rtl.payloads import shape_of
from hw.rtl.requantize import half_up_shift
from hw.rtl.single_port_memory import SinglePortMemory
from hw.rtl.window_memory import WindowMemory
from quant.golden.parameters import AttentionShifts


class LinearAttention(wiring.Component):
    """``o = requantize(query @ state, out)`` with ``state = requantize(key^T @ value, state)``, one window at a time.

    query, key, value: streams of [tokens, embed_dim] row-major, query and key unsigned.  o: stream of the residual stream's
    format, [tokens, embed_dim]. When a window's keys and values are complete, `pe` multipliers sum each word of the state
    over all tokens and write it once, requantized; then the same multipliers run queries times state. The next window's
    keys and values arrive during the second phase, its queries as rows fall free.
    Throughput: 2 * tokens * embed_dim^2 / pe cycles per window. Golden twin: quant.golden.linear_attention.
    """

    def __init__(self, design: Design, folding: Folding, shifts: AttentionShifts):
        self.design, self.folding, self.shifts = design, folding, shifts
        activation = design.quant.activation
        unsigned = stream.Signature(shape_of(activation.unsigned()))
        super().__init__(
            {
                "query": In(unsigned),
                "key": In(unsigned),
                "value": In(stream.Signature(shape_of(activation))),
                "o": Out(stream.Signature(shape_of(design.quant.stream))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        model, activation, pe = self.design.model, self.design.quant.activation, self.folding.pe
        size = {"tokens": model.tokens, "dim": model.embed_dim}
        m.submodules.keys = keys = WindowMemory(activation.unsigned(), **size, whole=True)
        m.submodules.values = values = WindowMemory(activation, **size, pack=pe, whole=True)
        m.submodules.queries = queries = WindowMemory(activation.unsigned(), **size, whole=False)
        for port, memory in ((self.key, keys), (self.value, values), (self.query, queries)):
            wiring.connect(m, wiring.flipped(port), memory.i)

        has_operands, free, sums = Signal(), Signal(), Signal()
        window_full = (keys.held == model.tokens) & (values.held == model.tokens)
        window_issued, issue = Signal(), Signal()
        with m.FSM() as phase:
            with m.State("FILL"), m.If(window_full & ~has_operands):
                m.next = "SUM"
            with m.State("SUM"), m.If(window_issued):
                m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~has_operands):
                m.next = "GIVE"
            with m.State("GIVE"), m.If(window_issued):
                m.next = "FINISH"
            with m.State("FINISH"), m.If(~has_operands):
                m.next = "FILL"
        summing, giving = phase.ongoing("SUM"), phase.ongoing("GIVE")
        m.d.comb += [
            sums.eq(summing | phase.ongoing("SETTLE")),
            issue.eq(free & (summing | (giving & (queries.held != 0) & ~queries.busy))),
            keys.release.eq(summing & window_issued),
            values.release.eq(summing & window_issued),
            keys.enable.eq(issue & summing),
            values.enable.eq(issue & summing),
            queries.enable.eq(issue & giving),
        ]
        with m.If(free):
            m.d.sync += has_operands.eq(issue)
        state_read_address = self._loops(m, issue, summing, window_issued, keys, values, queries)
        self._accumulate(m, issue, sums, has_operands, free, state_read_address, (keys, values, queries))
        return m

    def _loops(
        self,
        m: Module,
        issue: Value,
        summing: Value,
        window_issued: Signal,
        keys: WindowMemory,
        values: WindowMemory,
        queries: WindowMemory,
    ) -> Value:
        """Walk row, group, token (sums) or token, group, row (outputs), innermost last; returns the state's address."""
        dim, tokens, groups = (
            self.design.model.embed_dim,
            self.design.model.tokens,
            self.design.model.embed_dim // self.folding.pe,
        )
        token, group, row = Signal(range(tokens)), Signal(range(groups)), Signal(range(dim))
        last_token, last_group, last_row = token == tokens - 1, group == groups - 1, row == dim - 1
        self._is_first = Mux(summing, token == 0, row == 0)
        self._is_last = Mux(summing, last_token, last_row)
        m.d.comb += [
            window_issued.eq(issue & last_token & last_group & last_row),
            queries.release.eq(issue & ~summing & last_group & last_row),
            keys.address.eq(token * dim + row),
            queries.address.eq(token * dim + row),
            values.address.eq(token * groups + group),
        ]
        with m.If(issue & self._is_last):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(issue & (summing | (last_group & last_row))):
            m.d.sync += token.eq(Mux(last_token, 0, token + 1))
        with m.If(issue & (~summing | (last_group & last_token))):
            m.d.sync += row.eq(Mux(last_row, 0, row + 1))
        return row * groups + group

    def _accumulate(
        self,
        m: Module,
        issue: Value,
        sums: Value,
        has_operands: Value,
        free: Signal,
        read_address: Value,
        sources: tuple[WindowMemory, WindowMemory, WindowMemory],
    ) -> None:
        """The multipliers: sums go to the state memory, outputs to the result registers and from there to `o`."""
        keys, values, queries = sources
        design, pe = self.design, self.folding.pe
        act_bits, state_format = design.quant.activation.bits, design.quant.stream
        key_value, output = key_value_sum(design), attention_sum(design)
        words = design.model.embed_dim**2 // pe
        m.submodules.state = state = SinglePortMemory(depth=words, width=pe * state_format.bits)
        is_first, is_last, state_address, result_valid = Signal(), Signal(), Signal(range(words)), Signal()
        step, write_state = Signal(), Signal()
        with m.If(issue):
            m.d.sync += [is_first.eq(self._is_first), is_last.eq(self._is_last), state_address.eq(read_address)]
        m.d.comb += [
            step.eq(has_operands & ~(~sums & is_last & result_valid)),
            free.eq(~has_operands | step),
            write_state.eq(step & is_last & sums),
            state.enable.eq(write_state | (issue & ~sums)),
            state.write.eq(write_state),
            state.address.eq(Mux(write_state, state_address, read_address)),
        ]
        shared, new_state, results = Signal(act_bits), [], []
        m.d.comb += shared.eq(Mux(sums, keys.read_data, queries.read_data))
        for lane in range(pe):
            width = max(key_value.bits, output.bits)
            own, acc = Signal(state_format.bits, name=f"own{lane}"), Signal(width, name=f"acc{lane}")
            total, result = Signal(width, name=f"total{lane}"), Signal(output.bits, name=f"result{lane}")
            value = values.read_data.word_select(lane, act_bits).as_signed()
            m.d.comb += [
                own.eq(Mux(sums, value, state.read_data.word_select(lane, state_format.bits).as_signed())),
                total.eq(Mux(is_first, 0, acc) + shared * own.as_signed()),
            ]
            with m.If(step & ~is_last):
                m.d.sync += acc.eq(total)
            with m.If(step & is_last & ~sums):
                m.d.sync += result.eq(total)
            new_state.append(half_up_shift(m, total[: key_value.bits].as_signed(), self.shifts.state, state_format))
            results.append(result)
        m.d.comb += state.write_data.eq(Cat(*new_state))
        self._give(m, step & is_last & ~sums, result_valid, results)

    def _give(self, m: Module, arrive: Value, result_valid: Signal, results: list[Signal]) -> None:
        """Result registers to `o`, one value per transfer."""
        place = Signal(range(len(results)))
        m.d.comb += [
            self.o.valid.eq(result_valid),
            self.o.payload.eq(half_up_shift(m, Array(results)[place].as_signed(), self.shifts.out, self.design.quant.stream)),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(place == len(results) - 1):
                m.d.sync += [place.eq(0), result_valid.eq(0)]
        with m.If(arrive):
            m.d.sync += result_valid.eq(1)
