"""The whole tokenizer: preprocessing and spatial filter where there are any, wavelet bank, magnitude, pool, token buffer."""

from collections.abc import Mapping
from functools import reduce
from operator import and_

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from designs.schema import TokenizerSpec
from hw.plan.memory import TWOFOLD, Region
from hw.rtl.chain import connect_chain
from hw.rtl.linear import NO_WORDS
from hw.rtl.load_port import LoadBus
from hw.rtl.magnitude import Magnitude
from hw.rtl.payloads import shape_of
from hw.rtl.pool import Pool
from hw.rtl.preprocess import Preprocess
from hw.rtl.spatial_filter import SpatialFilter
from hw.rtl.token_buffer import TokenBuffer
from hw.rtl.wavelet_bank import WaveletBank


class Tokenizer(wiring.Component):
    """Samples to tokens.

    i: stream of samples, [samples, channels] row-major.  o: stream of `spec.token`, [features] of each token in order.
    bus: loads the tokenizer's `regions`, by name (hw.plan.memory.regions); `words` are theirs at power-up where they can be
    preset. settled: for each of TWOFOLD whether its last load is in use. spatial_shift: of the spatial filter's sums. Golden
    twin: quant.golden.trace.tokens_of.
    """

    def __init__(
        self,
        spec: TokenizerSpec,
        regions: Mapping[str, Region],
        *,
        words: Mapping[str, list[int]] = NO_WORDS,
        spatial_shift: int = 0,
    ):
        self.spec, self.regions, self._words, self._spatial_shift = spec, regions, words, spatial_shift
        super().__init__(
            {
                "i": In(stream.Signature(shape_of(spec.sample))),
                "o": Out(stream.Signature(shape_of(spec.token))),
                "bus": In(LoadBus()),
                "settled": Out(len(TWOFOLD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bank, words = self.spec.bank, self._words
        blocks: dict[str, wiring.Component] = {}
        if self.spec.preprocess is not None:
            blocks["preprocess"] = Preprocess(self.spec, self.regions["preprocess"], init=words.get("preprocess", ()))
        if self.spec.spatial is not None:
            weight = self.regions["spatial_weight"]
            blocks["spatial_filter"] = SpatialFilter(
                self.spec, weight, shift=self._spatial_shift, init=words.get(weight.name, ())
            )
        blocks |= {
            "wavelet_bank": WaveletBank(bank),
            "magnitude": Magnitude(bank),
            "pool": Pool(bank, self.regions["token_shift"], init=words.get("token_shift", ())),
            "token_buffer": TokenBuffer(bank),
        }
        connect_chain(m, self, blocks)
        settled = [block.settled for block in blocks.values() if isinstance(block, Pool | Preprocess)]
        m.d.comb += self.settled.eq(reduce(and_, settled))
        return m
