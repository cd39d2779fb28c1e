"""A study's results as docs/distillation.md: a section per experiment, the pictures beside it.

Text above the mark of a document that is there already stays as it is: words are people's, numbers the study's.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from models.measured_document import write_below
from models.study.comparing import complete
from models.study.experiments import EXPERIMENTS
from models.study.methods_section import methods_section
from models.study.plan import Plan, StudyError
from models.study.projections_section import projections_section
from models.study.results import Result
from models.study.sections import felt_section, integers_section, parts_section, teachers_section, weights_section

DOCUMENT = Path("docs/distillation.md")
MARK = "<!-- below: written by python -m models.study -->"
HOW = (
    "Gains are in points, hundredths of the measure, on the same folds and seeds: mean over subjects, and from six subjects on "
    "Student's 95 % interval, which no number of comparisons widens, and the p of Wilcoxon's signed ranks, 2/2^n at least. "
    "Decoders of counts are compared by correlation, since R2 has no lower bound and single outputs would rule a mean; "
    "tables of values hold R2, below -1 counted as -1. Tasks of one person are one subject.\n\n"
)
_SECTIONS: dict[str, Callable[[Sequence[Result], Path], tuple[str, list[Path]]]] = {
    "methods": methods_section,
    "felt": felt_section,
    "parts": parts_section,
    "projections": projections_section,
    "teachers": teachers_section,
    "integers": integers_section,
    "weights": weights_section,
}


_THERE = re.compile(r"^([\d,]+) of [\d,]+ results", re.MULTILINE)


def write_document(results: Sequence[Result], asked: int, plan: Plan, path: Path) -> list[Path]:
    """The document and its pictures; every file whole or absent. StudyError where there are no results, or fewer than the
    document that is there already tells of."""
    if not results:
        raise StudyError(f"of the {asked:,} results of the plan none is there for {path}; leave --report out to compute them")
    if len(results) < held(path):
        raise StudyError(
            f"{path} tells of {held(path):,} results, here are {len(results):,} of {asked:,}; finish the study, without "
            "--report, or write beside it with --out"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    there = f"{len(results):,} of {asked:,} results of the plan are there"
    partly = "" if len(results) == asked else "; tables show the folds and seeds for which every line has one"
    sections, pictures = [f"{there}{partly}. {HOW}"], list[Path]()
    rows = {row.name: row for row in plan.rows}
    for part in plan.parts:
        names = {str(variant) for variant in EXPERIMENTS[part.name]()}
        asked_of = {name: part.shots(rows[name]) for name in part.rows}
        own = [r for r in results if r.variant in names and r.shots in asked_of.get(r.row, ()) and r.seed < part.seeds]
        if own := complete(own):
            text, drawn = _SECTIONS[part.name](own, path)
            sections.append(text)
            pictures += drawn
    write_below(MARK, "\n".join(sections), path, title="Distillation")
    return [path, *pictures]


def held(path: Path) -> int:
    """Of how many results the document tells that is there; 0 where there is none."""
    below = path.read_text(encoding="utf-8").partition(MARK)[2] if path.is_file() else ""
    found = _THERE.search(below)
    return int(found[1].replace(",", "")) if found else 0
