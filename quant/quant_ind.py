"""IND with quantized layers: the parameter names of models/ind.py, the integers of quant/golden/trace.py."""

import torch
from brevitas.nn import QuantLinear
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from designs.layer_table import linear_layer
from designs.number_format import IntFormat
from designs.schema import Design
from quant.quant_leak import leaky_mean, leaky_means
from quant.quant_normaliser import QuantNormaliser
from quant.quantizers import flattened, integers_as_input, quant_activation, quant_linear, scale_log2, to_integers

Boundaries = dict[str, IntQuantTensor]
States = dict[str, Tensor]
"""Values of what runs on from token to token, before the first: block<i>_state [batch, embed_dim, embed_dim], pool [batch, 1,
embed_dim]; empty where a window is kept."""
SHIFT_MAX = 31


class QuantAttention(nn.Module):
    """Single-head linear attention, over a window or with a state that runs on; twin of quant.golden.linear_attention."""

    def __init__(self, design: Design, block: str):
        super().__init__()
        self.block, self.scale = block, 2.0**-design.model.mean_shift
        names = (f"{block}_{name}" for name in ("query", "key", "value", "project"))
        self.query, self.key, self.value, self.project = (quant_linear(linear_layer(design, name)) for name in names)
        unsigned = design.quant.activation.unsigned()
        self.query_out, self.key_out = quant_activation(unsigned), quant_activation(unsigned)
        self.value_out = quant_activation(design.quant.activation)
        self.state_out, self.attention_out = (quant_activation(design.quant.stream) for _ in range(2))
        self.unsigned, self.stream = unsigned, design.quant.stream
        self.streaming = design.model.streaming
        self.normaliser = None if design.model.normaliser == "none" else QuantNormaliser(design)

    def forward(self, tokens: IntQuantTensor, found: Boundaries, before: States) -> Tensor:
        """tokens [batch, tokens, embed_dim] -> accumulator of `project`, same shape; boundaries are added to `found`."""
        query = found[f"{self.block}_query"] = self.query_out(self.query(tokens))
        key = found[f"{self.block}_key"] = self.key_out(self.key(tokens))
        value = found[f"{self.block}_value"] = self.value_out(self.value(tokens))
        if self.streaming:
            state, attended = self._running_on(query.value, key.value, value.value, before[f"{self.block}_state"])
        else:
            state = self.state_out(key.value.transpose(1, 2) @ value.value * self.scale)
            attended = self._attended(query.value, key.value, state.value)
        attention = self.attention_out(attended)
        found[f"{self.block}_state"], found[f"{self.block}_attention"] = state, attention
        return self.project(attention)

    def _running_on(self, query: Tensor, key: Tensor, value: Tensor, old: Tensor) -> tuple[IntQuantTensor, Tensor]:
        """The state after every token, and what each token's query finds in it; of a single token, which is what is exported,
        [batch, embed_dim, embed_dim]."""
        if query.shape[1] == 1:
            state = leaky_mean(self.state_out, old, key.transpose(1, 2) @ value)
            return state, query @ state.value
        state = leaky_means(self.state_out, old, key.unsqueeze(3) * value.unsqueeze(2))
        return state, (query.unsqueeze(2) @ state.value).squeeze(2)

    def _attended(self, query: Tensor, key: Tensor, state: Tensor) -> Tensor:
        if self.normaliser is None:
            return query @ state
        unit = scale_log2(self.query_out, self.unsigned) + scale_log2(self.key_out, self.unsigned)
        return self.normaliser(query, key, state, 2.0**unit, 2.0 ** scale_log2(self.attention_out, self.stream))


class QuantBlock(nn.Module):
    """Attention, then feed-forward, each added to the residual stream, which has one scale throughout."""

    def __init__(self, design: Design, index: int):
        super().__init__()
        self.name = f"block{index}"
        self.attention = QuantAttention(design, self.name)
        self.expand = quant_linear(linear_layer(design, f"{self.name}_expand"))
        self.expand_out = quant_activation(design.quant.activation.unsigned())
        self.contract = quant_linear(linear_layer(design, f"{self.name}_contract"))

    def forward(self, tokens: IntQuantTensor, stream: nn.Module, found: Boundaries, before: States) -> IntQuantTensor:
        """tokens [batch, tokens, embed_dim] -> same shape; `stream` is the residual stream's quantizer."""
        update = found[f"{self.name}_project"] = stream(self.attention(tokens, found, before))
        attended = found[f"{self.name}_attended"] = stream(tokens.value + update.value)
        hidden = found[f"{self.name}_expand"] = self.expand_out(self.expand(attended))
        update = found[f"{self.name}_contract"] = stream(self.contract(hidden))
        out = found[f"{self.name}_out"] = stream(attended.value + update.value)
        return out


class QuantInd(nn.Module):
    """IND on integer tokens: standardisation lives in `embed`, every boundary is an integer times a power of two."""

    position: Tensor | None

    def __init__(self, design: Design):
        super().__init__()
        self.design = design
        self.stream = quant_activation(design.quant.stream)
        self.embed = quant_linear(linear_layer(design, "embed"))
        self.register_parameter("position", None)
        if not design.model.streaming:
            self.position = nn.Parameter(torch.zeros(design.model.tokens, design.model.embed_dim))
        self.blocks = nn.ModuleList(QuantBlock(design, i) for i in range(design.model.layers))
        self.pool_out = quant_activation(design.quant.stream)
        self.readout = quant_linear(linear_layer(design, "readout"))
        self.mean_scale = 2.0**-design.model.mean_shift

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, features], integers in the token format -> logits [batch, outputs], after the last token."""
        logits = self.boundaries(tokens)[1]
        return logits[:, -1] if self.design.model.streaming else logits

    def embedded(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """tokens [batch, tokens, features] -> (vector in front of the readout [batch, pooled_dim], logits [batch, outputs]),
        after the last token; twin of models.ind.Ind.embedding."""
        found, logits = self.boundaries(tokens)
        if self.design.model.streaming:
            return found["pool"].value[:, -1], logits[:, -1]
        return list(found.values())[-1].value.flatten(1), logits

    def boundaries(self, tokens: Tensor, before: States | None = None) -> tuple[Boundaries, Tensor]:
        """As `forward`, and every boundary of designs.layer_table.streams before the readout, with the KV states.

        Where states run on, they begin as `before`, or at 0, and everything is there for every token, logits too.
        """
        found: Boundaries = {}
        found["embed"] = current = self.stream(self.embed(integers_as_input(tokens, self.design.tokenizer.token)))
        before = self.at_reset(len(tokens)) if before is None else before
        if self.position is not None:
            current = found["window"] = self.stream(found["embed"].value + self.stream(self.position).value)
        for block in self.blocks:
            current = block(current, self.stream, found, before)
        if self.design.model.streaming:
            found["pool"] = self._leaky_pool(current.value, before["pool"])
            return found, self.readout(found["pool"])
        if self.design.model.pool == "none":
            return found, self.readout(flattened(current))
        pool = found["pool"] = self.pool_out(current.value.sum(dim=1) * self.mean_scale)
        return found, self.readout(pool)

    def _leaky_pool(self, current: Tensor, old: Tensor) -> IntQuantTensor:
        if current.shape[1] == 1:
            return leaky_mean(self.pool_out, old, current)
        return leaky_means(self.pool_out, old.squeeze(1), current)

    def at_reset(self, batch: int) -> States:
        """What runs on, all 0."""
        model = self.design.model
        if not model.streaming:
            return {}
        states = {f"block{i}_state": torch.zeros(batch, model.embed_dim, model.embed_dim) for i in range(model.layers)}
        return states | {"pool": torch.zeros(batch, 1, model.embed_dim)}

    def integer_boundaries(self, tokens: Tensor, before: States | None = None) -> dict[str, Tensor]:
        """tokens [batch, tokens, features] -> int64 [batch, ...] of every boundary, `readout` and `decision` included."""
        found, logits = self.boundaries(tokens, before)
        integers = {"tokens": tokens.to(torch.int64)} | {name: to_integers(value) for name, value in found.items()}
        integers["readout"] = self.readout_integers(found, logits)
        if not self.design.model.regression:
            integers["decision"] = integers["readout"].argmax(dim=-1, keepdim=True)
        return integers

    def readout_integers(self, found: Boundaries, logits: Tensor) -> Tensor:
        """int64 of the shape of `logits`, which `boundaries` gave with `found`."""
        scale = list(found.values())[-1].scale.double() * self.readout.quant_weight().scale.double()
        return (logits.double() / scale).to(torch.int64)

    def layer(self, name: str) -> QuantLinear:
        """The linear layer called `name` in designs.layer_table."""
        block, _, part = name.rpartition("_")
        if not block:
            return getattr(self, name)
        owner = self.blocks[int(block.removeprefix("block"))]
        return getattr(owner if part in ("expand", "contract") else owner.attention, part)

    def quantizer(self, name: str) -> tuple[nn.Module, IntFormat]:
        """The activation quantizer behind the boundary `name`, and its format."""
        block, _, part = name.rpartition("_")
        quant = self.design.quant
        if name == "pool":
            return self.pool_out, quant.stream
        if part not in ("query", "key", "value", "state", "attention", "expand"):
            return self.stream, quant.stream
        owner = self.blocks[int(block.removeprefix("block"))]
        found = getattr(owner if part == "expand" else owner.attention, f"{part}_out")
        formats = {"value": quant.activation, "state": quant.stream, "attention": quant.stream}
        return found, formats.get(part, quant.activation.unsigned())

    def exponent(self, name: str) -> int:
        """log2 of the scale of the boundary `name`."""
        return 0 if name == "tokens" else scale_log2(*self.quantizer(name))
