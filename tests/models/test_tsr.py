"""TSR on cases whose answer is known in closed form, and the projections that it judges."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.distillation.projections import Projection, lda_projection, pca_projection, random_projection
from models.distillation.teaching import Teaching
from models.distillation.tskd import learned_projection
from models.distillation.tsr import covariance, deciding, effective_rank, tsr, tsr_of

DIM, OUTPUTS = 12, 3


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def teaching(windows: int = 200, seed: int = 0) -> Teaching:
    z = draw(windows, DIM, seed=seed) @ draw(DIM, DIM, seed=seed + 1)
    return Teaching(z.float(), draw(OUTPUTS, DIM, seed=seed + 2).float(), draw(OUTPUTS, seed=seed + 3).float())


def spread(seed: int = 0) -> torch.Tensor:
    root = draw(DIM, DIM, seed=seed)
    return root @ root.T


def test_a_projection_that_contains_the_readouts_rows_keeps_everything():
    weight = draw(OUTPUTS, DIM, seed=5)
    matrix = torch.cat([weight.T, draw(DIM, 2, seed=6)], dim=1)
    assert tsr(matrix, weight, spread()) == pytest.approx(1.0, abs=1e-12)
    assert tsr(weight.T @ draw(OUTPUTS, OUTPUTS, seed=7), weight, spread()) == pytest.approx(1.0, abs=1e-12)


def test_a_projection_orthogonal_to_it_under_the_covariance_keeps_nothing():
    weight, covered = draw(OUTPUTS, DIM, seed=5), spread()
    matrix = torch.linalg.svd(weight @ covered).Vh[OUTPUTS:].T  # P^T S W^T = 0: uncorrelated with every logit
    assert tsr(matrix, weight, covered) == pytest.approx(0.0, abs=1e-12)


def test_two_correlated_dimensions_by_hand():
    covered = torch.tensor([[4.0, 1.0], [1.0, 1.0]])
    # the logit is z1, P^T z is z2: the share that is explained is the squared correlation 1 / (4 * 1)
    assert tsr(torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0, 0.0]]), covered) == pytest.approx(0.25, abs=1e-12)
    assert tsr(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[1.0, 0.0]]), covered) == pytest.approx(0.25, abs=1e-12)
    # logits z1 and 2 z2 of variances 4 and 4, of which z2 explains 1 and 4
    weight = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert tsr(torch.tensor([[0.0], [1.0]]), weight, covered) == pytest.approx(5 / 8, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), kept=st.integers(1, 6))
def test_another_basis_changes_nothing(seed, kept):
    weight, covered, matrix = draw(OUTPUTS, DIM, seed=seed), spread(seed + 1), draw(DIM, kept, seed=seed + 2)
    change = draw(kept, kept, seed=seed + 3) + 3 * torch.eye(kept, dtype=torch.float64)
    assert tsr(matrix @ change, weight, covered) == pytest.approx(tsr(matrix, weight, covered), abs=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_it_never_falls_with_another_column(seed):
    weight, covered, matrix = draw(OUTPUTS, DIM, seed=seed), spread(seed + 1), draw(DIM, DIM, seed=seed + 2)
    found = [tsr(matrix[:, :kept], weight, covered) for kept in range(1, DIM + 1)]
    assert all(late >= early - 1e-9 for early, late in pairwise(found))
    assert found[-1] == pytest.approx(1.0, abs=1e-9)


def test_a_degenerate_covariance_and_repeated_columns():
    covered = torch.zeros(DIM, DIM, dtype=torch.float64)
    covered[0, 0] = covered[1, 1] = 2.0
    weight = torch.zeros(1, DIM, dtype=torch.float64)
    weight[0, 0] = weight[0, 1] = 1.0
    first = torch.eye(DIM, dtype=torch.float64)[:, :1]
    assert tsr(first, weight, covered) == pytest.approx(0.5, abs=1e-12)
    assert tsr(torch.cat([first, first, first * 1e-9, torch.zeros(DIM, 1)], dim=1), weight, covered) == pytest.approx(0.5)
    unseen = torch.eye(DIM, dtype=torch.float64)[:, 5:6]
    assert tsr(unseen, weight, covered) == 0.0
    assert tsr(unseen, torch.zeros(1, DIM), covered) == 1.0  # logits that never change lose nothing


def test_it_is_the_r2_of_the_best_linear_readout():
    taught, found = teaching(), random_projection(teaching(), 4, seed=3)
    for regression in (False, True):
        weight = taught.weight.double() if regression else deciding(taught.weight)
        z = taught.embedding.double() - taught.embedding.double().mean(dim=0)
        logits, seen = z @ weight.T, z @ found.matrix
        left = logits - seen @ torch.linalg.lstsq(seen, logits).solution
        wanted = 1 - float(left.square().sum() / logits.square().sum())
        assert tsr_of(found, taught, regression=regression) == pytest.approx(wanted, abs=1e-10)


def test_what_is_added_to_all_logits_alike_decides_nothing():
    taught = teaching()
    common = Teaching(taught.embedding, taught.weight + draw(1, DIM, seed=9).float() * 50, taught.bias)
    found = random_projection(taught, 4, seed=3)
    assert tsr_of(found, common, regression=False) == pytest.approx(tsr_of(found, taught, regression=False), abs=1e-4)
    assert tsr_of(found, common, regression=True) != pytest.approx(tsr_of(found, taught, regression=True), abs=1e-4)


def test_a_random_projection_is_orthonormal_and_belongs_to_its_seed():
    found, again, other = (random_projection(teaching(), 5, seed).matrix for seed in (1, 1, 2))
    assert torch.allclose(found.T @ found, torch.eye(5, dtype=torch.float64))
    assert torch.equal(found, again) and not torch.equal(found, other)
    assert random_projection(teaching(), DIM + 3, 1).matrix.shape == (DIM, DIM + 3)


def test_principal_directions_diagonalise_the_covariance_in_descending_order():
    taught = teaching()
    found = pca_projection(taught, 5).matrix
    seen = found.T @ covariance(taught.embedding) @ found
    assert torch.allclose(seen, torch.diag(seen.diagonal()), atol=1e-5)
    assert (seen.diagonal().diff() <= 0).all()
    assert pca_projection(taught, DIM + 3).matrix[:, DIM:].abs().max() == 0


def test_the_first_discriminant_of_two_classes_is_fishers():
    z, label = draw(300, DIM, seed=1), torch.arange(300) % 2
    z[:, 3] = z[:, 3] * 0.3 + 2.0 * label
    z[:, 4] = z[:, 4] * 20
    taught = Teaching(z.float(), draw(2, DIM).float(), draw(2).float())
    found = lda_projection(taught, label, 4)
    assert found.matrix.shape == (DIM, 4)
    assert int(found.matrix[:, 0].abs().argmax()) == 3
    assert int(found.matrix[:, 1].abs().argmax()) == 4
    assert torch.allclose(found.matrix[:, :1].T @ found.matrix[:, 1:], torch.zeros(1, 3).double(), atol=1e-9)


def test_a_projection_is_centred_and_brought_to_unit_size_as_a_whole():
    taught = teaching()
    given = pca_projection(taught, 5)
    empty = Projection(torch.cat([given.matrix, torch.zeros(DIM, 2).double()], dim=1), given.centre)
    for each in (given, empty):  # columns of zeros count for nothing
        found = each.of_unit_size(taught.embedding)(taught.embedding)[:, :5]
        assert torch.allclose(found.mean(dim=0), torch.zeros(5), atol=1e-4)
        assert float(found.var(dim=0, correction=0).mean()) == pytest.approx(1.0, abs=1e-4)
        apart = found / given(taught.embedding)
        assert torch.allclose(apart, apart[0, 0].expand_as(apart), rtol=1e-3)
    constant = Projection(torch.zeros(DIM, 2).double(), torch.zeros(DIM).double()).of_unit_size(taught.embedding)
    assert constant(taught.embedding).abs().max() == 0


@pytest.mark.parametrize("regression", [False, True])
def test_the_learned_projection_keeps_what_decides_where_principal_directions_do_not(regression):
    z = draw(300, DIM, seed=4)
    z[:, :6] *= 10  # loud, and the readout does not look there
    weight = torch.zeros(OUTPUTS, DIM)
    weight[:, 6:9] = draw(OUTPUTS, OUTPUTS, seed=6).float() + 2 * torch.eye(OUTPUTS)
    taught = Teaching(z.float(), weight, torch.zeros(OUTPUTS))
    torch.manual_seed(0)
    learned = tsr_of(learned_projection(taught, 4, regression=regression), taught, regression=regression)
    assert learned > 0.97
    assert tsr_of(pca_projection(taught, 4), taught, regression=regression) < 0.1


def test_the_effective_rank_of_alike_directions_is_their_number_and_of_one_is_1():
    z = torch.linalg.qr(draw(400, 6, seed=2) - draw(400, 6, seed=2).mean(dim=0))[0]
    assert effective_rank(z) == pytest.approx(6)
    assert effective_rank(z[:, :1] @ draw(1, 6)) == pytest.approx(1)
    sizes = torch.tensor([2.0, 1.0]).double()
    assert effective_rank(z[:, :2] * sizes.sqrt()) == pytest.approx((2 + 1) ** 2 / (4 + 1))
    assert effective_rank(torch.zeros(10, 3)) == 0.0
