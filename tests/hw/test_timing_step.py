"""What the timing step tells of each corner."""

import pytest

from designs.ind_tiny import IND_TINY
from hw.flow import timing
from hw.flow.timing import CornerTiming, slack_failures
from hw.flow.tool import Tool


def test_hold_slack_is_told_but_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "OPENSTA", Tool("sh", "dash", version_command=("-c", "echo 2.0.17")))
    found = {name: CornerTiming(f"{name}_1V", 12.0, -0.25, 90.0, 99.0) for name in ("typ", "slow")}
    metrics = {metric.name: metric for metric in timing._metrics(found, 100)}
    assert metrics["hold_slack_ns"].value == metrics["hold_slack_slow_ns"].value == -0.25
    assert metrics["hold_slack_ns"].better == "higher"
    assert metrics["hold_slack_slow_ns"].origin == (
        "OpenSTA 2.0.17, slow_1V, wire loads, no buffering, no clock tree, no routing; before clock tree and hold fixing, so "
        "not judged"
    )


def test_the_least_slack_of_all_corners_is_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "OPENSTA", Tool("sh", "dash", version_command=("-c", "echo 2.0.17")))
    found = {name: CornerTiming(f"{name}_1V", slack, 0.1, 90.0, 99.0) for name, slack in (("typ", 12.0), ("slow", 7.5))}
    [least] = [metric for metric in timing._metrics(found, 100) if metric.name == "timing__slack_slow_ns"]
    assert (least.value, least.better) == (7.5, "higher")
    assert least.origin == "least of all corners, must be positive: OpenSTA 2.0.17, slow_1V, wire loads, at 100 kHz"


@pytest.mark.parametrize("slack", [0.0, -0.5])
def test_a_corner_without_positive_slack_is_a_failed_check(slack: float) -> None:
    found = {"typ": CornerTiming("typ_1V", 12.0, -1.0, 90, 99), "slow": CornerTiming("slow_1V", slack, -1.0, 90, 99)}
    assert slack_failures(IND_TINY, found) == (f"ind_tiny: slack {slack:.2f} ns at 100 kHz in slow_1V; lower the clock",)
    assert slack_failures(IND_TINY, {"typ": found["typ"]}) == ()
