"""IND with quantized layers: the parameter names of models/ind.py, the integers of quant/golden/trace.py."""

import torch
from brevitas.nn import QuantLinear
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from designs.layer_table import linear_layer
from designs.number_format import IntFormat
from designs.schema import Design
from quant.quant_normaliser import QuantNormaliser
from quant.quantizers import flattened, integers_as_input, quant_activation, quant_linear, scale_log2, to_integers

Boundaries = dict[str, IntQuantTensor]
SHIFT_MAX = 31


class QuantAttention(nn.Module):
    """Single-head linear attention; twin of quant.golden.linear_attention."""

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
        self.normaliser = None if design.model.normaliser == "none" else QuantNormaliser(design)

    def forward(self, tokens: IntQuantTensor, found: Boundaries) -> Tensor:
        """tokens [batch, tokens, embed_dim] -> accumulator of `project`, same shape; boundaries are added to `found`."""
        query = found[f"{self.block}_query"] = self.query_out(self.query(tokens))
        key = found[f"{self.block}_key"] = self.key_out(self.key(tokens))
        value = found[f"{self.block}_value"] = self.value_out(self.value(tokens))
        state = self.state_out(key.value.transpose(1, 2) @ value.value * self.scale)
        attention = self.attention_out(self._attended(query.value, key.value, state.value))
        found[f"{self.block}_state"], found[f"{self.block}_attention"] = state, attention
        return self.project(attention)

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

    def forward(self, tokens: IntQuantTensor, stream: nn.Module, found: Boundaries) -> IntQuantTensor:
        """tokens [batch, tokens, embed_dim] -> same shape; `stream` is the residual stream's quantizer."""
        update = found[f"{self.name}_project"] = stream(self.attention(tokens, found))
        attended = found[f"{self.name}_attended"] = stream(tokens.value + update.value)
        hidden = found[f"{self.name}_expand"] = self.expand_out(self.expand(attended))
        update = found[f"{self.name}_contract"] = stream(self.contract(hidden))
        out = found[f"{self.name}_out"] = stream(attended.value + update.value)
        return out


class QuantInd(nn.Module):
    """IND on integer tokens: standardisation lives in `embed`, every boundary is an integer times a power of two."""

    def __init__(self, design: Design):
        super().__init__()
        self.design = design
        self.stream = quant_activation(design.quant.stream)
        self.embed = quant_linear(linear_layer(design, "embed"))
        self.position = nn.Parameter(torch.zeros(design.model.tokens, design.model.embed_dim))
        self.blocks = nn.ModuleList(QuantBlock(design, i) for i in range(design.model.layers))
        self.pool_out = quant_activation(design.quant.stream)
        self.readout = quant_linear(linear_layer(design, "readout"))
        self.mean_scale = 2.0**-design.model.mean_shift

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens [batch, tokens, features], integers in the token format -> logits [batch, outputs]."""
        return self.boundaries(tokens)[1]

    def boundaries(self, tokens: Tensor) -> tuple[Boundaries, Tensor]:
        """As `forward`, and every boundary of designs.layer_table.streams before the readout, with the KV states."""
        found: Boundaries = {}
        found["embed"] = self.stream(self.embed(integers_as_input(tokens, self.design.tokenizer.token)))
        current = found["window"] = self.stream(found["embed"].value + self.stream(self.position).value)
        for block in self.blocks:
            current = block(current, self.stream, found)
        if self.design.model.pool == "none":
            return found, self.readout(flattened(current))
        pool = found["pool"] = self.pool_out(current.value.sum(dim=1) * self.mean_scale)
        return found, self.readout(pool)

    def integer_boundaries(self, tokens: Tensor) -> dict[str, Tensor]:
        """tokens [batch, tokens, features] -> int64 [batch, ...] of every boundary, `readout` and `decision` included."""
        found, logits = self.boundaries(tokens)
        integers = {"tokens": tokens.to(torch.int64)} | {name: to_integers(value) for name, value in found.items()}
        scale = list(found.values())[-1].scale.double() * self.readout.quant_weight().scale.double()
        integers["readout"] = (logits.double() / scale).to(torch.int64)
        if not self.design.model.regression:
            integers["decision"] = integers["readout"].argmax(dim=-1, keepdim=True)
        return integers

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
