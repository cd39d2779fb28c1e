"""Names in RTLIL made plain: letters, digits and underscores, so that no tool meets an escaped identifier."""

import re

IDENTIFIER = re.compile(r"(?<!\S)\\\S+")
PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_WORDS = """
    always and assert assign automatic before begin bit break buf byte case cell class clocking config const constraint context
    cover cross deassign default define design disable do edge else end enum event expect export extends extern final
    first_match for force foreach fork forever function generate global if iff ignore_bins illegal_bins implements
    import initial inout input inside instance int integer interface intersect join large let liblist library local
    localparam logic longint matches medium modport module nand negedge nettype new nexttime nor not null or output
    package parameter posedge primitive priority program property protected pull0 pull1 pure rand randc randcase real
    realtime ref reg reject_on release repeat restrict return rpmos scalared sequence shortint shortreal signed small
    soft solve specify static strong string struct super supply0 supply1 table tagged task this throughout time
    timeprecision timeunit tran tri trior type typedef union unique unsigned until untyped use uwire var vectored
    virtual void wait wand weak while wildcard wire with within wor xnor xor
"""
KEYWORDS = frozenset(_WORDS.split())
"""Words of Verilog and SystemVerilog that a signal might be called."""


def plain_identifiers(rtlil_text: str) -> str:
    """The same RTLIL; every public name that is no plain identifier gets one of its own, the same wherever it occurs."""
    names = dict.fromkeys(IDENTIFIER.findall(rtlil_text))
    taken = {name[1:] for name in names if _is_plain(name[1:])}
    renamed = {}
    for name in names:
        if not _is_plain(name[1:]):
            renamed[name] = "\\" + _free_name(name[1:], taken)
    return IDENTIFIER.sub(lambda found: renamed.get(found[0], found[0]), rtlil_text)


def _is_plain(name: str) -> bool:
    return PLAIN.fullmatch(name) is not None and name not in KEYWORDS


def _free_name(name: str, taken: set[str]) -> str:
    """A plain name that reminds of `name`; added to `taken`."""
    stem = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "signal"
    stem = f"n{stem}" if stem[0].isdigit() else stem
    candidate, number = stem, 1
    while not _is_plain(candidate) or candidate in taken:
        number += 1
        candidate = f"{stem}_{number}"
    taken.add(candidate)
    return candidate
