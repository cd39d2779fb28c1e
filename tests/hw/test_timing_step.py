"""What the timing step tells of each corner."""

import pytest

from hw.flow import timing
from hw.flow.timing import CornerTiming
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
