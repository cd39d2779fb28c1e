"""Nobody changes the area or power of ind_tiny without saying so: within 2 % of tests/hw/snapshot_ind_tiny.json."""

import json

import pytest

from hw.flow.timing import OPENSTA
from hw.flow.tool import MissingTool
from hw.targets import ihp_sg13g2, osu018
from tests.hw.snapshot import ACCEPTED, measure

TOLERANCE = 0.02
HOW = "if this is meant, run `python -m tests.hw.snapshot` and say why in the changelog"


pytestmark = pytest.mark.synth


@pytest.fixture(scope="module", params=["osu018", "ihp_sg13g2"])
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, float]]:
    """(process, metric -> value)."""
    target = request.param
    if target == "osu018" and not osu018.CELLS.is_file():
        pytest.skip("qflow-tech-osu018 is not installed")
    if target == "ihp_sg13g2" and ihp_sg13g2.find_pdk() is None:
        pytest.skip("PDK_ROOT holds no ihp-sg13g2")
    try:
        OPENSTA.path()
    except MissingTool as missing:
        pytest.skip(str(missing))
    return target, measure(target, tmp_path_factory.mktemp(target))


def test_area_and_power_of_ind_tiny_are_what_they_were(measured: tuple[str, dict[str, float]]) -> None:
    target, found = measured
    accepted = json.loads(ACCEPTED.read_text())[target]
    moved = {
        name: f"{value:g} -> {found[name]:g}"
        for name, value in accepted.items()
        if found[name] != pytest.approx(value, rel=TOLERANCE)
    }
    assert not moved, f"{target}: {moved}; {HOW}"
    assert found.keys() == accepted.keys()


def test_every_condition_lies_where_it_must(measured: tuple[str, dict[str, float]]) -> None:
    _, found = measured
    uw = {name.removeprefix("power__").removesuffix("_uw"): value for name, value in found.items()}
    assert uw["leakage"] < uw["idle"] < uw["total"] < uw["decoding"] < uw["peak"] < 3 * uw["decoding"]
    assert uw["total_low"] < uw["total_no_tree"] < uw["total"]
    assert found["area__placed_um2"] > 1.2 * found["area__total_um2"]
