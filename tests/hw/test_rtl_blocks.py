"""Every block in every variant of its testbench equals its golden twin, under every stall pattern."""

import pytest

from rtl_sim.runner import block_names, block_variants, run_block


@pytest.mark.verilator
@pytest.mark.parametrize(("name", "variant"), [(name, variant) for name in block_names() for variant in block_variants(name)])
def test_a_block_equals_its_golden_twin(name: str, variant: str) -> None:
    result = run_block(name, variant)
    failed = {test: text for test, text in result.failures.items() if text}
    assert result.passed, f"{name} {variant}: {failed} (log: {result.log})"
