"""OpenSTA's report of hw/flow/scripts/timing.tcl -> slacks in ns."""

import re

SECTIONS = ("setup without wires", "setup with wires", "hold with wires")


class TimingError(ValueError):
    """A report without what was asked for; OpenSTA ends with code 0 even then."""


def read_slacks(report: str) -> dict[str, float]:
    """Section -> worst slack in ns. TimingError with OpenSTA's first error, or the section that has no path."""
    errors = [line for line in report.splitlines() if line.startswith("Error")]
    if errors or "==== done" not in report:
        raise TimingError(f"opensta: {errors[0] if errors else 'the report is not complete'}")
    found = {}
    for section in SECTIONS:
        text = report.split(f"==== {section}\n")[1].split("====")[0]
        slack = re.search(r"(-?\d+\.\d+)\s+slack", text)
        if slack is None:
            raise TimingError(f"opensta: no path under '{section}'; is the clock connected?")
        found[section] = float(slack.group(1))
    return found
