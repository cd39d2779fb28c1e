"""Channels mixed to virtual channels in front of the wavelets (docs/blocks/spatial_filter.md)."""

from collections.abc import Iterable

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from designs.layer_table import spatial_sum
from designs.schema import TokenizerSpec
from hw.plan.memory import Region
from hw.plan.spatial import spatial_layout
from hw.rtl.load_port import LoadBus
from hw.rtl.mac_array import pick
from hw.rtl.payloads import shape_of, vector_of
from hw.rtl.requantize import half_up_shift
from hw.rtl.weight_memory import WeightMemory


class SpatialFilter(wiring.Component):
    """``o = saturate((weight @ i + half) >> shift)``, frame by frame.

    i: stream of samples, [samples, channels] row-major.  o: stream of samples, [samples, virtual channels].
    bus: loads the region `spatial_weight` (hw.plan.spatial); `init` are its words at power-up where they can be preset.
    Each sample is multiplied by its column of the matrix, a word of weights per cycle, into one sum per virtual channel; after
    a frame's last channel the sums leave one after the other, and the next frame waits for that.
    Latency 1 cycle from a frame's last product to its first virtual channel. Golden twin: quant.golden.spatial_filter.
    """

    def __init__(self, spec: TokenizerSpec, weight: Region, *, shift: int, init: Iterable[int] = ()):
        if spec.spatial is None:
            raise ValueError("SpatialFilter: the tokenizer has no spatial filter; give it a SpatialSpec")
        self.spec, self.shift, self._virtual = spec, shift, spec.spatial.virtual_channels
        self._layout = spatial_layout(spec)
        self.weights = WeightMemory(weight, payload=vector_of(spec.spatial.weight, self._layout.lanes), init=init)
        sample = stream.Signature(shape_of(spec.sample))
        super().__init__({"i": In(sample), "o": Out(sample), "bus": In(LoadBus())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weights = weights = self.weights
        wiring.connect(m, wiring.flipped(self.bus), weights.bus)
        lanes, groups, channels = self._layout.lanes, self._layout.groups, self.spec.channels
        row = data.ArrayLayout(shape_of(spatial_sum(self.spec)), lanes)
        sums = [Signal(row, name=f"sums_{group}", reset_less=True) for group in range(groups)]
        group, channel, place, draining = Signal(range(groups)), Signal(range(channels)), Signal(range(self._virtual)), Signal()
        step, last_group, last_channel = Signal(), group == groups - 1, channel == channels - 1
        can_step = weights.o.valid & ~draining
        m.d.comb += [
            step.eq(self.i.valid & can_step),
            weights.o.ready.eq(step),
            self.i.ready.eq(can_step & last_group),
        ]
        with m.If(step):
            m.d.sync += group.eq(Mux(last_group, 0, group + 1))
            with m.If(last_group):
                m.d.sync += [channel.eq(Mux(last_channel, 0, channel + 1)), draining.eq(last_channel)]
        for number, of_group in enumerate(sums):
            with m.If(step & (group == number)):
                for lane in range(lanes):
                    product = weights.o.payload[lane] * self.i.payload
                    m.d.sync += of_group[lane].eq(Mux(channel == 0, 0, of_group[lane]) + product)
        every = [of_group[lane] for of_group in sums for lane in range(lanes)][: self._virtual]
        # nothing follows the sums while they grow
        chosen = Mux(draining, pick(every, place), 0)
        m.d.comb += [
            self.o.valid.eq(draining),
            self.o.payload.eq(half_up_shift(m, chosen, self.shift, self.spec.sample)),
        ]
        with m.If(draining & self.o.ready):
            m.d.sync += place.eq(place + 1)
            with m.If(place == self._virtual - 1):
                m.d.sync += [place.eq(0), draining.eq(0)]
        return m
