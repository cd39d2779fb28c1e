"""The stream bench catches what it is there for: a block that breaks every rule in turn."""

from pathlib import Path

import pytest

from rtl_sim.runner import run_testbench


@pytest.mark.verilator
def test_every_fault_of_a_faulty_block_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    result = run_testbench("tb_faulty", "one")
    assert len(result.failures) == 16
    assert result.passed, {name: text for name, text in result.failures.items() if text}
