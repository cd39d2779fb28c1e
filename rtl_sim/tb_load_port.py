"""The load port delivers every word of good frames, and nothing passes as loaded that is not."""

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from hw.plan.folding import fold
from hw.plan.memory import Region, load_frame, regions
from hw.rtl.load_port import LoadPort
from rtl_sim import stalls
from rtl_sim.backends import with_backend
from rtl_sim.stream_bench import StreamBench
from rtl_sim.variants import block_under_test

SMALL = (Region("narrow", 0, 5, 4), Region("bytes", 1, 3, 16), Region("odd", 2, 4, 21), Region("wide", 3, 2, 64))
TWOFOLD = (*SMALL[:2], Region("readout", 2, 6, 12, bank=1), Region("gains", 3, 4, 6, bank=2))
SETTLED = 0b111
DESIGNS = {backend: with_backend("ind_tiny", backend) for backend in ("engine", "amaranth")}

VARIANTS = {
    "small": lambda: LoadPort(SMALL, preloaded=False),
    "ind_tiny": lambda: LoadPort(regions(DESIGNS["engine"], {}), preloaded=False),
    "ind_tiny_pipeline": lambda: LoadPort(regions(DESIGNS["amaranth"], fold(DESIGNS["amaranth"])), preloaded=False),
    "preloaded": lambda: LoadPort(SMALL, preloaded=True),
    "twofold": lambda: LoadPort(TWOFOLD, preloaded=False),
    "twofold_preloaded": lambda: LoadPort(TWOFOLD, preloaded=True),
}


def words_of(region: Region, seed: int) -> list[int]:
    """All ones, zero, then random words."""
    rng, most = np.random.default_rng([seed, region.index]), (1 << region.width) - 1
    return [most, 0, *(int(word) & most for word in rng.integers(0, 1 << 63, region.depth))][: region.depth]


def beyond_first(region: Region, banks: int) -> int:
    """Where a load goes while `banks` are in use."""
    return 0 if region.bank is None or banks >> region.bank & 1 else region.depth


def frame_of(region: Region, seed: int) -> bytes:
    return load_frame(region, words_of(region, seed))


class LoadBench:
    """Feeds bytes, keeps every word seen on the bus."""

    def __init__(self, dut, stall=stalls.never):
        self.dut, self.block = dut, block_under_test(VARIANTS)
        self.bench, self.words = StreamBench(dut, stall, block=self.block), []

    async def reset(self) -> None:
        await self.bench.reset()
        self.dut.settled.value = SETTLED
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        dut = self.dut
        while True:
            await RisingEdge(dut.clk)
            if int(dut.bus__strobe.value):
                self.words.append(tuple(int(port.value) for port in (dut.bus__region, dut.bus__address, dut.bus__data)))

    async def feed(self, data: bytes) -> None:
        """All bytes in, then long enough for the verdict."""
        await self.bench.run(list(data), {}, reset=False)
        for _ in range(4):
            await RisingEdge(self.dut.clk)

    async def load_all(self, seed: int) -> None:
        await self.feed(b"".join(frame_of(region, seed) for region in self.block.regions))

    def flags(self) -> dict[str, int]:
        return {name: int(getattr(self.dut, name).value) for name in ("loaded", "error", "refused")}


GOOD = {"loaded": 1, "error": 0, "refused": 0}


@cocotb.test()
@cocotb.parametrize(stall=stalls.ALL)
async def every_word_of_every_frame_reaches_its_address(dut, stall):
    bench = LoadBench(dut, stall)
    await bench.reset()
    if not bench.block.preloaded:
        assert bench.flags()["loaded"] == 0
    banks = int(dut.bus__bank.value)
    await bench.load_all(seed=7)
    expected = [
        (r.index, address + beyond_first(r, banks), word)
        for r in bench.block.regions
        for address, word in enumerate(words_of(r, 7))
    ]
    assert bench.words == expected
    assert bench.flags() == GOOD


@cocotb.test()
async def only_the_last_region_completes_the_load(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=1)
    for region in bench.block.regions:
        frame = frame_of(region, seed=2)
        await bench.feed(frame[:-1])
        assert bench.flags()["loaded"] == (region.bank is not None), f"{region.name} counts as loaded before its checksum"
        await bench.feed(frame[-1:])
        assert bench.flags() == GOOD


@cocotb.test()
async def one_wrong_bit_anywhere_is_an_error(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=3)
    region = bench.block.regions[2]
    frame, bank = frame_of(region, seed=4), int(dut.bus__bank.value)
    for place in range(2, len(frame)):
        spoilt = bytearray(frame)
        spoilt[place] ^= 1 << (place % 8)
        await bench.feed(bytes(spoilt))
        assert bench.flags() == {"loaded": int(region.bank is not None), "error": 1, "refused": 0}, f"byte {place}"
        assert int(dut.bus__bank.value) == bank
    await bench.feed(frame)
    assert bench.flags() == GOOD


@cocotb.test()
async def a_frame_of_an_unknown_region_is_an_error_and_writes_nothing(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=5)
    bench.words.clear()
    await bench.feed(bytes([0xA5, len(bench.block.regions), 1, 2, 3]))
    assert bench.flags() == {"loaded": 1, "error": 1, "refused": 0}
    assert bench.words == []
    await bench.load_all(seed=5)
    assert bench.flags() == GOOD


@cocotb.test()
async def zeros_between_frames_are_skipped_and_other_bytes_are_an_error(dut):
    bench = LoadBench(dut)
    await bench.reset()
    region = bench.block.regions[0]
    await bench.load_all(seed=6)
    await bench.feed(bytes(5) + frame_of(region, 7) + bytes(3))
    assert bench.flags() == GOOD
    await bench.feed(b"\x01")
    assert bench.flags() == {"loaded": 1, "error": 1, "refused": 0}
    await bench.feed(frame_of(region, 7))
    assert bench.flags() == GOOD


@cocotb.test()
async def an_armed_decoder_refuses_the_whole_frame(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=8)
    bench.words.clear()
    dut.armed.value = 1
    await bench.feed(frame_of(bench.block.regions[1], 9))
    assert bench.flags() == {"loaded": 1, "error": 0, "refused": 1}
    assert bench.words == []
    dut.armed.value = 0
    await bench.feed(frame_of(bench.block.regions[1], 9))
    assert bench.flags() == GOOD


@cocotb.test()
async def arming_within_a_frame_stops_its_words_and_its_region_stays_unloaded(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=10)
    region = bench.block.regions[1]
    frame = frame_of(region, 11)
    bench.words.clear()
    await bench.feed(frame[: 2 + region.word_bytes])
    dut.armed.value = 1
    await bench.feed(frame[2 + region.word_bytes : -2])
    dut.armed.value = 0
    await bench.feed(frame[-2:])
    assert bench.words == [(region.index, 0, words_of(region, 11)[0])]
    assert bench.flags() == {"loaded": 0, "error": 0, "refused": 1}
    await bench.feed(frame)
    assert bench.flags() == GOOD


@cocotb.test()
async def arming_at_any_byte_of_a_frame_refuses_it(dut):
    bench = LoadBench(dut)
    await bench.reset()
    for region in bench.block.regions[-1:]:
        for place in range(region.frame_bytes + 1):
            await bench.load_all(seed=18)
            frame, bank = frame_of(region, 19), int(dut.bus__bank.value)
            if place == region.frame_bytes:  # in the cycle of the verdict, behind the last byte
                await bench.bench.run(list(frame), {}, reset=False, drain=False)
            else:
                await bench.feed(frame[:place])
            dut.armed.value = 1
            await bench.feed(frame[place:])
            dut.armed.value = 0
            assert bench.flags()["refused"] == 1, f"byte {place}"
            assert int(dut.bus__bank.value) == bank, f"byte {place}"
            untouched = region.bank is not None or place < 2 + region.word_bytes
            assert bench.flags()["loaded"] == untouched, f"byte {place}"


@cocotb.test()
async def the_bank_that_is_not_in_use_is_written_and_a_good_checksum_makes_it_the_next(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=14)
    for region in bench.block.regions:
        for _ in range(0 if region.bank is None else 3):
            banks = int(dut.bus__bank.value)
            bench.words.clear()
            frame = frame_of(region, 15)
            await bench.feed(frame[:-1])
            assert int(dut.bus__bank.value) == banks and bench.flags()["loaded"]
            await bench.feed(frame[-1:])
            assert int(dut.bus__bank.value) == banks ^ 1 << region.bank and bench.flags() == GOOD
            first = beyond_first(region, banks)
            assert bench.words == [(region.index, first + at, word) for at, word in enumerate(words_of(region, 15))]


@cocotb.test()
async def words_for_a_bank_that_is_still_in_use_wait(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=16)
    for region in bench.block.regions:
        bench.words.clear()
        dut.settled.value = 0 if region.bank is None else SETTLED & ~(1 << region.bank)
        feeding = cocotb.start_soon(bench.feed(frame_of(region, 17)))
        for _ in range(region.frame_bytes + 10):
            await RisingEdge(dut.clk)
        assert bool(bench.words) == (region.bank is None)
        dut.settled.value = SETTLED
        await feeding
        assert len(bench.words) == region.depth and bench.flags() == GOOD


@cocotb.test()
async def reset_forgets_loads_unless_memories_are_preset(dut):
    bench = LoadBench(dut)
    await bench.reset()
    await bench.load_all(seed=12)
    await bench.bench.reset()
    dut.settled.value = SETTLED
    assert bench.flags() == {"loaded": int(bench.block.preloaded), "error": 0, "refused": 0}
    in_place = next(region for region in bench.block.regions if region.bank is None)
    await bench.feed(frame_of(in_place, 13)[:-1])
    await bench.bench.reset()
    assert bench.flags()["loaded"] == 0, "a region that was overwritten must not count as loaded after reset"
