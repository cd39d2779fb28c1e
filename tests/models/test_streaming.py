"""The float decoder whose states run on: unrolled, it is the recurrence; its windows begin earlier than others."""

from dataclasses import replace

import torch

from designs.ind_tiny import IND_TINY
from models.ind import Ind
from models.linear_attention import LinearAttention, leaks
from models.window_tensors import unrolled_tokens, window_tensors
from models.windows import decoding_set

TINY = replace(IND_TINY, name="streaming", model=replace(IND_TINY.model, attention="stream"))


def test_leaks_are_the_weights_of_the_recurrence():
    new, mean, found = torch.randn(9, generator=torch.Generator().manual_seed(0)), torch.tensor(0.0), []
    for each in new:
        mean = mean + (each - mean) / 4
        found.append(mean)
    assert torch.allclose(leaks(9) @ new, torch.stack(found), atol=1e-6)


def test_attention_is_what_a_query_finds_in_the_leaky_state():
    torch.manual_seed(1)
    attention, tokens = LinearAttention(TINY.model), torch.randn(3, 6, 8)
    state, found = torch.zeros(3, 8, 8), []
    with torch.no_grad():
        query, key, value = attention.query(tokens).relu(), attention.key(tokens).relu(), attention.value(tokens)
        for t in range(6):
            state = state + (key[:, t, :, None] * value[:, t, None] - state) / 4
            found.append(query[:, t, None] @ state)
        expected = attention.project(torch.cat(found, dim=1))
        assert torch.allclose(attention(tokens), expected, atol=1e-5)


def test_no_position_is_learned_and_a_window_may_have_any_length():
    model = Ind(TINY)
    assert model.position is None and "position" not in model.state_dict()
    assert model(torch.zeros(2, 4, 16)).shape == model(torch.zeros(2, 8, 16)).shape == (2, 4)


def test_windows_begin_a_window_earlier_but_not_before_their_stream():
    from models.datasets.generated import generate

    found = decoding_set(generate(TINY), TINY)
    tokens = [torch.zeros(len(stream) // TINY.tokenizer.token_samples, 16) for stream in found.streams]
    windows, plain = window_tensors(found, tokens, "train", TINY), window_tensors(found, tokens, "train", IND_TINY)
    assert unrolled_tokens(TINY) == 2 * unrolled_tokens(IND_TINY) == 8
    assert torch.equal(windows.rows[:, 4:], plain.rows)
    start = torch.tensor([0, *(len(stream) for stream in tokens[:-1])]).cumsum(0)
    first = start[torch.from_numpy(found.window_stream[found.windows_of("train")])]
    expected = torch.maximum(windows.rows[:, -1:] - torch.arange(7, -1, -1), first[:, None])
    assert torch.equal(windows.rows, expected)
