"""The whole tokenizer: wavelet bank, magnitude, pool, token buffer."""

from collections.abc import Iterable

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import TokenizerSpec
from hw.plan.memory import Region
from hw.rtl.load_port import LoadBus
from hw.rtl.magnitude import Magnitude
from hw.rtl.payloads import shape_of
from hw.rtl.pool import Pool
from hw.rtl.token_buffer import TokenBuffer
from hw.rtl.wavelet_bank import WaveletBank


class Tokenizer(wiring.Component):
    """Samples to tokens.

    i: stream of samples, [samples, channels] row-major.  o: stream of `spec.token`, [features] of each token in order.
    bus: loads the region `token_shift`; `init` are its words at power-up where they can be preset.
    Golden twin: quant.golden.pool.tokenize.
    """

    def __init__(self, spec: TokenizerSpec, token_shift: Region, *, init: Iterable[int] = ()):
        self.spec, self.token_shift, self._init = spec, token_shift, init
        super().__init__(
            {
                "i": In(stream.Signature(shape_of(spec.sample))),
                "o": Out(stream.Signature(shape_of(spec.token))),
                "bus": In(LoadBus()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.wavelet_bank = wavelet_bank = WaveletBank(self.spec)
        m.submodules.magnitude = magnitude = Magnitude(self.spec)
        m.submodules.pool = pool = Pool(self.spec, self.token_shift, init=self._init)
        m.submodules.token_buffer = token_buffer = TokenBuffer(self.spec)
        wiring.connect(m, wiring.flipped(self.i), wavelet_bank.i)
        wiring.connect(m, wavelet_bank.o, magnitude.i)
        wiring.connect(m, magnitude.o, pool.i)
        wiring.connect(m, pool.o, token_buffer.i)
        wiring.connect(m, token_buffer.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.bus), pool.bus)
        return m
