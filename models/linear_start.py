"""Where training starts: the best linear decoder of the window, written into the weights of an IND.

With a few hundred trials a network started at random ends below plain linear discriminants. Here it starts as one: the residual
stream carries the window's tokens through the blocks unchanged (what a block adds is multiplied by zero at first), and
embedding and readout together are a linear map of the tokens. A classifier's is the shrinkage discriminant (scikit-learn,
Ledoit-Wolf) of the mean token; a regressor's ridge regression on the whole window, its penalty chosen by cross-validation over
stretches of time, cut to the rank that `embed_dim` allows. Training may then only improve on it.
"""

import math

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from models.ind import Block, Ind
from models.linear_attention import leaks
from models.window_tensors import WindowTensors

PENALTIES = (1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5)
STRETCHES = 4
"""Parts of the training time that ridge regression is validated on, one after the other."""
ROWS_AT_MOST = 6000
LOGIT_SPREAD = 1.0
"""Standard deviation of the first logits over training windows: discriminants of few trials are far too sure."""


def start_linear(model: Ind, train: WindowTensors) -> None:
    """Write the best linear decoder of `train`, standardised windows, into `model`."""
    regression = train.label.dtype.is_floating_point
    weight, bias = ridge(train) if regression else discriminant(train, model.readout.out_features)
    with torch.no_grad():
        for block in model.blocks:
            assert isinstance(block, Block)
            for layer in (block.attention.project, block.contract):
                layer.weight.zero_()
                layer.bias.zero_()
        model.embed.bias.zero_()
        if model.position is not None:
            model.position.zero_()
        _factorise(model, weight, bias, train)


def discriminant(train: WindowTensors, classes: int) -> tuple[Tensor, Tensor]:
    """(weight [classes, 1, features] of the mean token, bias [classes]): logits of standard deviation LOGIT_SPREAD."""
    mean = train.all_tokens().mean(dim=1).double().numpy()
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(mean, train.label.numpy())
    weight, bias = np.zeros((classes, mean.shape[1])), np.zeros(classes)
    if classes == 2:
        weight[0], weight[1], bias[0], bias[1] = -model.coef_[0] / 2, model.coef_[0] / 2, -model.intercept_[0] / 2, 0.0
        bias[1] = -bias[0]
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    spread = (mean @ weight.T + bias).std(axis=0).mean() / LOGIT_SPREAD
    return torch.from_numpy(weight / spread).float()[:, None], torch.from_numpy(bias / spread).float()


def ridge(train: WindowTensors) -> tuple[Tensor, Tensor]:
    """(weight [outputs, tokens, features], bias [outputs]) of ridge regression on all tokens of a window."""
    stride = -(-len(train) // ROWS_AT_MOST)
    tokens, target = train.batch(torch.arange(0, len(train), stride))
    inputs = tokens.flatten(1)
    weight, bias = _solve(inputs, target, (_best_penalty(inputs, target),))[0]
    return weight.T.view(-1, *tokens.shape[1:]), bias


def _best_penalty(inputs: Tensor, target: Tensor) -> float:
    errors = torch.zeros(len(PENALTIES), dtype=torch.float64)
    gap = inputs.shape[0] // (STRETCHES * 20)
    for held in torch.arange(len(inputs)).chunk(STRETCHES):
        rest = torch.ones(len(inputs), dtype=torch.bool)
        rest[max(0, int(held[0]) - gap) : int(held[-1]) + 1 + gap] = False
        for i, (weight, bias) in enumerate(_solve(inputs[rest], target[rest], PENALTIES)):
            errors[i] += float(((inputs[held] @ weight + bias - target[held]) ** 2).sum())
    return PENALTIES[int(errors.argmin())]


def _solve(inputs: Tensor, target: Tensor, penalties: tuple[float, ...]) -> list[tuple[Tensor, Tensor]]:
    """(weight [inputs, outputs], bias [outputs]) for every penalty, from one eigendecomposition."""
    centre, level = inputs.mean(dim=0), target.mean(dim=0)
    x, y = inputs - centre, target - level
    few = len(x) < x.shape[1]
    values, vectors = torch.linalg.eigh(x @ x.T if few else x.T @ x)
    projected = vectors.T @ (y if few else x.T @ y)
    found = []
    for penalty in penalties:
        solved = vectors @ (projected / (values.clamp_min(0) + penalty)[:, None])
        weight = x.T @ solved if few else solved
        found.append((weight, level - centre @ weight))
    return found


def _factorise(model: Ind, weight: Tensor, bias: Tensor, train: WindowTensors) -> None:
    """weight [outputs, tokens or 1, features] = readout times embedding: the best factors of rank `embed_dim`, as the tokens'
    covariance weighs errors; each used dimension of the stream gets unit variance."""
    outputs, lags, features = weight.shape
    rows = train.tokens[torch.unique(train.rows)]
    rows = rows[:: -(-len(rows) // ROWS_AT_MOST)].double()
    values, vectors = torch.linalg.eigh(torch.cov(rows.T) + 1e-6 * torch.eye(features, dtype=torch.float64))
    root, inverse = ((vectors * values.clamp_min(1e-9) ** power) @ vectors.T for power in (0.5, -0.5))
    left, size, right = torch.linalg.svd(weight.reshape(-1, features).double() @ root, full_matrices=False)
    rank = min(model.embed.out_features, int((size > 1e-9 * size[0].clamp_min(1e-30)).sum()))
    model.embed.weight[:rank] = (right[:rank] @ inverse).float()
    read = (left[:, :rank] * size[:rank]).float().view(outputs, lags, rank)
    model.readout.weight.zero_()
    if lags == 1:
        tokens = train.rows.shape[1]
        counted = float(leaks(tokens)[-1].sum()) if model.streaming else tokens * model.mean_scale
        model.readout.weight[:, :rank] = read[:, 0] / counted
    else:
        model.readout.weight.view(outputs, lags, -1)[:, :, :rank] = read
    model.readout.bias.copy_(bias)
    unused = model.embed.weight[rank:]
    if len(unused):
        torch.nn.init.normal_(unused, std=1 / math.sqrt(features))
