"""The experiments of a study, each a list of variants that are compared with one another."""

from collections.abc import Callable
from dataclasses import replace

from models.distillation.registry import METHODS
from models.distillation.students import STUDENTS
from models.study.variant import FINE_TUNED, OFFLINE_ONLY, POOLED, TEACHER, Variant

WEIGHTS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
ALONE = ("none", "simkd")
"""Methods of one term, whose weight would only be a size of step."""
WEIGHTED = tuple(name for name in METHODS if name not in ALONE)


def methods() -> list[Variant]:
    """Every method on the IND; the IND that trains on the offline sessions too, which TSKD may do as well; the teacher, and the
    IND that learned what the teacher learned, and no more."""
    own = [Variant(method=name) for name in METHODS]
    longer = [Variant(method=name, trained_on=where) for where in (POOLED, FINE_TUNED) for name in ("none", "tskd")]
    return [*own, *longer, Variant(trained_on=OFFLINE_ONLY), Variant(student="", method=TEACHER)]


def felt() -> list[Variant]:
    """Every method at weight 1: where classes are decided most methods' own weights are small, and so are their terms."""
    return [Variant(), *(Variant(method=name, weight=1.0) for name in WEIGHTED)]


def parts() -> list[Variant]:
    """Every student without a teacher and under TSKD, what the network gives and what distillation gives, apart; those that are
    no IND under KD too, whose weight needs no search."""
    found = [Variant(student=name, method=method) for name in STUDENTS for method in ("none", "tskd")]
    return [*found, *(Variant(student=name, method="kd") for name in ("eegnet", "gru"))]


def projections() -> list[Variant]:
    """TSKD's second step on projections that keep much, little and nothing of what the teacher decides by, several of each
    rank: a rank is a strength of teaching of its own. All at one weight, at which the term is felt (TSKD's own is small where
    classes are decided)."""
    kinds = ("pca", "lda", "least", "random")
    named = [f"{kind}:{rank}" for rank in (1, 4, 16) for kind in kinds] + [
        f"random:{r}:{n}" for r in (1, 4, 16) for n in (1, 2)
    ]
    felt = Variant(method="tskd", weight=1.0)
    return [Variant(), felt, *(replace(felt, projection=name) for name in named)]


def teachers() -> list[Variant]:
    """KD, FitNets and TSKD under teachers that are too sure, not sure enough, or learned wrong labels; FitNets hears no
    logits."""
    found = [Variant(method=name, temperature=t) for name in ("kd", "tskd") for t in (0.25, 4.0)]
    found += [Variant(method=name, flipped=f) for name in ("kd", "fitnets", "tskd") for f in (0.0, 0.2, 0.4)]
    return [Variant(), *found, *(Variant(student="", method=TEACHER, flipped=f) for f in (0.0, 0.2, 0.4))]


def integers() -> list[Variant]:
    """Without a teacher and under TSKD, in float and in the integers of the chip, the teacher staying in the loss; and gone
    from it, to tell what staying brings."""
    found = [Variant(method=name, integers=width) for name in ("none", "tskd") for width in ("", "w8a8", "w4a4")]
    return [*found, Variant(method="tskd", integers="w4a4 unheard")]


def weights() -> list[Variant]:
    """Every method that adds a term to the task loss, at several weights of it."""
    return [Variant(), *(Variant(method=name, weight=weight) for name in WEIGHTED for weight in WEIGHTS)]


EXPERIMENTS: dict[str, Callable[[], list[Variant]]] = {
    found.__name__: found for found in (methods, felt, parts, projections, teachers, integers, weights)
}
