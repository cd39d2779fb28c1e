"""The order in which the tokenizer works: which octave of which channel is stepped next."""

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from designs.schema import TokenizerSpec


class StepOrder(wiring.Component):
    """Counts steps: for every sample pair m, for every channel, octave 0 and then each octave o with m % 2 ** o == 0.

    advance: the current step is done. address: channel * octaves + octave. follows: the next step is the next octave of the
    same channel. first: m is 0, nothing has been stored since reset. left: pairs of the token that are still to come at the
    start of this step, this one included (token_pairs down to 1).
    """

    def __init__(self, spec: TokenizerSpec):
        self.spec = spec
        super().__init__(
            {
                "advance": In(1),
                "address": Out(range(spec.channels * spec.octaves)),
                "octave": Out(range(spec.octaves)),
                "follows": Out(1),
                "first": Out(1, init=1),
                "left": Out(range(spec.token_pairs + 1), init=spec.token_pairs),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        last_channel = (spec.channels - 1) * spec.octaves
        channel_address, pair = Signal(range(last_channel + 1)), Signal(spec.octaves - 1)
        chained = Array([pair[: octave + 1] == 0 for octave in range(spec.octaves - 1)] + [Const(0)])
        m.d.comb += [self.address.eq(channel_address + self.octave), self.follows.eq(chained[self.octave])]
        with m.If(self.advance & self.follows):
            m.d.sync += self.octave.eq(self.octave + 1)
        with m.Elif(self.advance):
            m.d.sync += [self.octave.eq(0), channel_address.eq(channel_address + spec.octaves)]
            with m.If(channel_address == last_channel):
                m.d.sync += [
                    channel_address.eq(0),
                    pair.eq(pair + 1),
                    self.first.eq(0),
                    self.left.eq(Mux(self.left == 1, spec.token_pairs, self.left - 1)),
                ]
        return m
