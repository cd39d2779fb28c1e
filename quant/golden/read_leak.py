"""A leaky mean in an exported graph: every node of it checked, and the shifts that it holds."""

from designs.layer_table import after, before
from designs.number_format import IntFormat
from designs.schema import LEAK_SHIFT
from quant.golden.parameters import LeakShifts
from quant.golden.qonnx_graph import Graph

SHARE = 2.0**-LEAK_SHIFT


def leak_shifts(graph: Graph, name: str, new: str, new_exponent: int, out: IntFormat) -> LeakShifts:
    """The shifts of the state `name`, which must take its share of the tensor `new`, of scale 2 ** `new_exponent`, keep the
    rest of the state before, and leave the graph as integers."""
    total = graph.producer(graph.quantizer(name, out).input[0], "Add")
    exponent, held, taken = graph.exponent(name, out), "", ""
    for part in total.input:
        source, factor = _scaled(graph, part)
        if source == new and factor == SHARE:
            taken = part
        elif factor == 1 - SHARE and _scaled(graph, source) == (before(name), 2.0**exponent):
            held = part
    if len(total.input) != 2 or not (held and taken):
        raise graph.refuse(f"{name} is not {1 - SHARE:g} of the state before and {SHARE:g} of what is new; export it again")
    if _scaled(graph, after(name)) != (name, 2.0**-exponent):
        raise graph.refuse(f"{after(name)} is not {name} in integers; export it again")
    coarser = exponent - new_exponent
    return LeakShifts(max(coarser, 0), max(-coarser, 0))


def _scaled(graph: Graph, tensor: str) -> tuple[str, float]:
    """A Mul by a constant: the tensor in front of it and the constant."""
    node = graph.producer(tensor, "Mul")
    if len(node.input) != 2:
        raise graph.refuse(f"{tensor[:80]} comes from Mul of {len(node.input)} inputs instead of 2")
    return node.input[0], graph.scalar(node.input[1])
