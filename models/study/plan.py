"""The study's configuration, recordings, shots, seeds and experiments in one file, and what is to be computed for it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from designs.catalogue import find_design
from designs.schema import Design
from models.datasets.catalogue import recording_for
from models.datasets.sources import read_source, read_sources
from models.distillation.calibration_folds import calibration_folds
from models.distillation.students import fits
from models.ind_benchmark import design_for
from models.recording import Recording
from models.splits import training_sessions, with_test_sessions
from models.study.experiments import EXPERIMENTS
from models.study.group import Group
from models.study.variant import Variant

GENERATED = "generated:"
CONFIG = Path(__file__).with_name("study.toml")


class StudyError(ValueError):
    """A configuration or a folder that a study cannot work with; one line."""


@dataclass(frozen=True)
class Row:
    """One row of the tables. place: of its recordings, below the folder of recordings, or generated:DESIGN; shots: calibration
    trials per class, or stretches of behaviour; subject: who was recorded, where another row is of the same one; else every
    recording is a subject."""

    name: str
    place: str
    shots: tuple[int, ...]
    subject: str = ""


@dataclass(frozen=True)
class Part:
    """An experiment on some rows: variants x shots x seeds. most: of a row's shots only the largest that is not above it; None:
    all of them."""

    name: str
    rows: tuple[str, ...]
    most: int | None
    seeds: int

    def shots(self, row: Row) -> tuple[int, ...]:
        """Those of `row`. StudyError where it has none."""
        fit = [count for count in row.shots if self.most is None or count <= self.most]
        if not fit:
            raise StudyError(f"experiment {self.name}: {row.name} has no {self.most} shots or fewer; raise most")
        return tuple(fit) if self.most is None else (max(fit),)


@dataclass(frozen=True)
class Plan:
    """tuning: recordings without their test sessions, to choose settings on."""

    rows: tuple[Row, ...]
    parts: tuple[Part, ...]
    tuning: bool = False


def read_plan(path: Path = CONFIG) -> Plan:
    """Raises StudyError, one line, where the file is not a plan."""
    if not path.is_file():
        raise StudyError(f"{path}: no such plan; copy {CONFIG.name}, which lies in models/study, and change it")
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
        lacking = [section for section in ("recordings", "experiments") if not isinstance(found.get(section), dict)]
        if lacking:
            raise StudyError(f"{path}: has no section [{lacking[0]}]; compare it with models/study/{CONFIG.name}")
        _refuse_unknown(str(path), found, ("tuning", "recordings", "experiments"))
        rows = tuple(_row(name, each) for name, each in found["recordings"].items())
        parts = tuple(_part(name, each, rows) for name, each in found["experiments"].items())
        plan = Plan(rows, parts, found.get("tuning", False))
    except StudyError:
        raise
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise StudyError(
            f"{path}: not the plan of a study ({' '.join(str(error).split())}); compare it with models/study/{CONFIG.name}"
        ) from error
    if not isinstance(plan.tuning, bool):
        raise StudyError(f"{path}: tuning must be true or false, not {plan.tuning!r}")
    if not plan.tuning and any(part.name == "weights" for part in plan.parts):
        raise StudyError(f"{path}: weights are chosen without test sessions; write tuning = true")
    return plan


def _row(name: str, given: Mapping[str, Any]) -> Row:
    _refuse_unknown(f"recording {name}", given, ("place", "shots", "subject"))
    place, shots = given["place"], given["shots"]
    if not isinstance(place, str):
        raise StudyError(f"recording {name}: place must be a text such as folder/file.npz#task, not {place!r}")
    if not isinstance(shots, list) or not shots or any(type(count) is not int or count < 1 for count in shots):
        raise StudyError(f"recording {name}: shots must be a list of numbers from 1 on, such as [5, 10], not {shots}")
    subject = given.get("subject", "")
    if not isinstance(subject, str):
        raise StudyError(f"recording {name}: subject must be a text such as S001, not {subject!r}")
    return Row(name, place, tuple(shots), subject)


def _refuse_unknown(who: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = [each for each in given if each not in known]
    if unknown:
        raise StudyError(f"{who}: {unknown[0]!r} is unknown; use {', '.join(known)}")


def _part(name: str, given: Mapping[str, Any], rows: tuple[Row, ...]) -> Part:
    if name not in EXPERIMENTS:
        raise StudyError(f"experiment {name!r} is unknown; use {', '.join(EXPERIMENTS)}")
    _refuse_unknown(f"experiment {name}", given, ("most", "seeds", "recordings"))
    for key in ("most", "seeds"):
        if key in given and (type(given[key]) is not int or given[key] < 1):
            raise StudyError(f"experiment {name}: {key} must be a number from 1 on, not {given[key]!r}")
    known = tuple(row.name for row in rows)
    chosen = tuple(given.get("recordings", known))
    unknown = [row for row in chosen if row not in known]
    if unknown:
        raise StudyError(f"experiment {name}: recording {unknown[0]!r} is not listed; list it, or use {', '.join(known)}")
    return Part(name, chosen, given.get("most"), given.get("seeds", 3))


def recordings_of(row: Row, folder: Path | None, tuning: bool) -> list[Recording]:
    """Every recording of a row. Raises RecordingError, StudyError."""
    if row.place.startswith(GENERATED):
        read = [recording_for(find_design(row.place.removeprefix(GENERATED)), None, None, seed=0)]
    elif folder is None:
        raise StudyError(
            f"{row.name}: lies in {row.place} of the folder of recordings; give it with --recordings or RECORDINGS"
        )
    else:
        read = [read_source(source) for source in read_sources(str(folder / row.place))]
    return [without_tests(recording) for recording in read] if tuning else read


def without_tests(recording: Recording) -> Recording:
    """The recording as if it ended before its test sessions."""
    given = with_test_sessions(recording)
    kept = tuple(given.sessions[i] for i in training_sessions(given))
    return replace(given, sessions=kept, test_sessions=())


def groups(plan: Plan, folder: Path | None) -> list[Group]:
    """Everything that the plan asks for, all recordings under the first seed, then under the next. Raises RecordingError,
    StudyError before any work."""
    found: list[Group] = []
    for row in plan.rows:
        wanted = [part for part in plan.parts if row.name in part.rows]
        seeds = max((part.seeds for part in wanted), default=0)
        for recording in recordings_of(row, folder, plan.tuning):
            design = design_for(with_test_sessions(recording))
            every = {shots: calibration_folds(recording, shots, max(row.shots)) for shots in row.shots}
            for seed in range(seeds):
                chosen = [
                    (fold, _variants(wanted, shots, row, seed, design)) for shots, folds in every.items() for fold in folds
                ]
                chosen = [(fold, variants) for fold, variants in chosen if variants]
                if chosen:
                    folds, variants = zip(*chosen, strict=True)
                    found.append(Group(row.name, row.subject or recording.source, seed, folds, variants))
    return sorted(found, key=lambda group: group.seed)


def _variants(parts: list[Part], shots: int, row: Row, seed: int, design: Design) -> tuple[Variant, ...]:
    """Each once, however many experiments want it; none whose student does not fit the recording's windows."""
    asked = [part for part in parts if seed < part.seeds and shots in part.shots(row)]
    every = dict.fromkeys(variant for part in asked for variant in EXPERIMENTS[part.name]())
    return tuple(variant for variant in every if not variant.student or fits(variant.student, design) is None)
