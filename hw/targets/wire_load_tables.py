"""Wire loads of a Liberty library, or the stand-in for a library that has none."""

from hw.power.cells import Library, capacitance_unit_pf
from hw.power.liberty import Group
from hw.targets.process import WireLoad

# Fanout-1 and fanout-5 nets of a routed 180 nm block: about 30 um per sink at 0.2 fF/um, the middle of what Liberty files
# with wire loads (IHP SG13G2's "10k" to "50k" tables: 4 to 14 fF per sink) state.
STAND_IN = WireLoad("stand-in", ((1, 0.008), (5, 0.045), (20, 0.190)), "the library has none: 8 fF per sink assumed")


def read_wire_loads(library: Library) -> tuple[tuple[float, WireLoad], ...]:
    """Every wire load of the library's default selection, by cell area; the stand-in when it has none."""
    source = library.source
    tables = {group.name: _wire_load(group, source) for group in source.all("wire_load")}
    selection = next(
        (g for g in source.all("wire_load_selection") if g.name == source.get("default_wire_load_selection", g.name)), None
    )
    if selection is None:
        default = tables.get(source.get("default_wire_load"), STAND_IN)
        return ((float("inf"), default),)
    return tuple((float(high), tables[name]) for _, high, name in selection.complex["wire_load_from_area"] if name in tables)


def _wire_load(group: Group, library: Group) -> WireLoad:
    per_length_pf = group.number("capacitance") * capacitance_unit_pf(library)
    points = tuple((int(entry[0]), float(entry[1]) * per_length_pf) for entry in group.complex["fanout_length"])
    return WireLoad(group.name, points, f"wire_load {group.name} of {library.name}")
