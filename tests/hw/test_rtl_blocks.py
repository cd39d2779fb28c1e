"""Every block in every variant of its testbench equals its golden twin, under every stall pattern."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rtl_sim.runner import BlockResult, block_names, block_variants, run_block

WORKERS = 2


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[tuple[str, str], Future[BlockResult]]]:
    """The selected blocks, built and run two at a time while the tests wait for their results in order."""
    here = [item for item in request.session.items if item.fspath == request.fspath]
    wanted = [(item.callspec.params["name"], item.callspec.params["variant"]) for item in here]
    pool = ThreadPoolExecutor(WORKERS)
    yield {pair: pool.submit(run_block, *pair) for pair in wanted}
    pool.shutdown(cancel_futures=True)


@pytest.mark.verilator
@pytest.mark.parametrize(("name", "variant"), [(name, variant) for name in block_names() for variant in block_variants(name)])
def test_a_block_equals_its_golden_twin(runs: dict[tuple[str, str], Future[BlockResult]], name: str, variant: str) -> None:
    result = runs[name, variant].result()
    failed = {test: text for test, text in result.failures.items() if text}
    assert result.passed, f"{name} {variant}: {failed} (log: {result.log})"
