"""Where a build's results go: one folder per design and per set of options that change results."""

import json
from pathlib import Path

from designs.recording_place import MOABB
from hw.flow.step import WrongInput

RECORD = "build.json"


def folder_name(design: str, options: dict[str, str]) -> str:
    """ "ind_tiny" for a design as it is written; each option that was given adds "-value": "ind_tiny-osu018-seed3"."""
    return "-".join([design, *(_tag(name, value) for name, value in options.items())])


def _tag(name: str, value: str) -> str:
    if name == "teacher":
        return "taught"
    if name in ("recording", "target", "checkpoint"):
        return value.removeprefix(MOABB) if value.startswith(MOABB) else Path(value).stem
    if name in ("seed", "clock_khz"):
        return f"{name.removesuffix('_khz')}{value}" + ("khz" if name == "clock_khz" else "")
    return value.replace("/", "_")


def other_builds(folder: Path) -> list[Path]:
    """Folders of builds beside `folder`, by name."""
    return [path.parent for path in sorted(folder.parent.glob(f"*/{RECORD}")) if path.parent != folder]


def claim(folder: Path, design: str, options: dict[str, str]) -> None:
    """Make `folder` the place of this design with these options. Raises WrongInput if another build's results lie there."""
    wanted = {"design": design, **options}
    record = folder / RECORD
    try:
        found = json.loads(record.read_text())
        if not isinstance(found, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        found = wanted
    except (OSError, ValueError) as error:
        raise WrongInput(f"{record} cannot be read ({error}); give another folder with --out") from error
    if found != wanted:
        other = " ".join(
            [found.get("design", "?"), *(f"--{k.replace('_', '-')} {v}" for k, v in found.items() if k != "design")]
        )
        raise WrongInput(f"{folder} holds the results of `{other}`; give another folder with --out, or delete it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = record.with_suffix(".partial")
        partial.write_text(json.dumps(wanted, indent=1) + "\n")
        partial.replace(record)
    except OSError as error:
        raise unwritable(folder, error) from error


def design_of(metrics: Path) -> str | None:
    """The design whose build left this metrics.json, by the record beside it; None where there is no such record."""
    try:
        found = json.loads(metrics.with_name(RECORD).read_text())
    except (OSError, ValueError):
        return None
    return found.get("design") if isinstance(found, dict) else None


def unwritable(folder: Path, error: OSError) -> WrongInput:
    """One line for an `error` met while writing to `folder`."""
    return WrongInput(f"{folder} cannot be written ({error.strerror or error}); give another folder with --out")
