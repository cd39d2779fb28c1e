"""The three normalisers of the float attention."""

from dataclasses import replace

import pytest
import torch

from designs.ind_tiny import IND_TINY
from models.linear_attention import LinearAttention, divisor, rounded_up

SPEC = {name: replace(IND_TINY.model, normaliser=name) for name in ("none", "shift", "divide")}


def streams(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(50, 4, 8, generator=generator).relu() for _ in range(2))


def test_powers_of_two_are_rounded_up_to_themselves_and_everything_else_to_the_next():
    powers = 2.0 ** torch.arange(-20.0, 20.0)
    assert torch.equal(rounded_up(powers), powers)
    assert torch.equal(rounded_up(torch.nextafter(powers, torch.tensor(torch.inf))), 2 * powers)
    assert torch.equal(rounded_up(torch.nextafter(powers, torch.tensor(0.0))), powers)


def test_dividing_by_the_weight_gives_weighted_means_of_the_values():
    query, key = (part + 0.1 for part in streams())  # no weight near zero
    value = torch.randn(50, 4, 8, generator=torch.Generator().manual_seed(1))
    state = key.transpose(1, 2) @ value * 2.0 ** -SPEC["divide"].mean_shift
    found = query @ state / divisor(query, key, SPEC["divide"])
    scores = query @ key.transpose(1, 2)
    expected = scores / scores.sum(dim=-1, keepdim=True).clamp_min(1e-9) @ value
    assert torch.allclose(found, expected, atol=1e-4)
    assert (found.abs() <= value.abs().amax(dim=1, keepdim=True) + 1e-4).all()


def test_a_shift_is_the_next_power_of_two_and_at_most_halves():
    query, key = streams()
    exact, power = divisor(query, key, SPEC["divide"]), divisor(query, key, SPEC["shift"])
    assert torch.equal(torch.frexp(power).mantissa, torch.full_like(power, 0.5))
    assert (exact <= power).all() and (power < 2 * exact).all()


@pytest.mark.parametrize("normaliser", SPEC)
def test_a_token_that_meets_no_key_gets_nothing_and_finite_gradients(normaliser):
    torch.manual_seed(0)
    attention = LinearAttention(SPEC[normaliser])
    with torch.no_grad():
        attention.key.weight.zero_()
        attention.key.bias.fill_(-1.0)
    out = attention(torch.randn(3, 4, 8))
    assert torch.allclose(out, attention.project.bias.expand_as(out))
    out.pow(2).sum().backward()
    assert all(torch.isfinite(value.grad).all() for value in attention.parameters())


def test_without_a_normaliser_nothing_is_divided():
    assert divisor(*streams(), SPEC["none"]) == 1.0
