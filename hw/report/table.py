"""Tables: rows of text once, Markdown and HTML from it; and how a number is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class Table:
    """`numeric`: indices of right-aligned columns. `marks`: (row, column) -> "good", "bad" or "quiet"."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    marks: dict[tuple[int, int], str] = field(default_factory=dict)
    sums: bool = False
    """The last row is the sum of the others."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"table {self.header}: a row has {len(row)} cells: {row}")

    def markdown(self) -> str:
        """A pipe table; the last row bold where it is the sum."""
        lines = [_pipes(self.header), _pipes(["---:" if i in self.numeric else "---" for i in range(len(self.header))])]
        for number, row in enumerate(self.rows):
            last = self.sums and number == len(self.rows) - 1
            lines.append(_pipes([f"**{cell}**" if last and cell else cell.replace("|", "\\|") for cell in row]))
        return "\n".join(lines)

    def html(self) -> str:
        """A <table>; classes `n` (numeric), `sum`, and the marks."""
        head = "".join(self._cell("th", cell, i, None) for i, cell in enumerate(self.header))
        body = []
        for number, row in enumerate(self.rows):
            cells = "".join(self._cell("td", cell, i, self.marks.get((number, i))) for i, cell in enumerate(row))
            is_sum = self.sums and number == len(self.rows) - 1
            body.append(f"<tr{' class=sum' if is_sum else ''}>{cells}</tr>")
        return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"

    def _cell(self, tag: str, text: str, column: int, mark: str | None) -> str:
        classes = " ".join(name for name in ("n" if column in self.numeric else "", mark or "") if name)
        return f'<{tag} class="{classes}">{escape(text)}</{tag}>' if classes else f"<{tag}>{escape(text)}</{tag}>"


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def number(value: float, digits: int = 3) -> str:
    """At most `digits` significant digits, but never fewer than the whole part has; thousands set apart."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1) or float(value).is_integer():
        return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 10000 else f"{value:.0f}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-4 else f"{value:.1e}"


def percent(share: float) -> str:
    """0.953 -> "95.3 %"."""
    return f"{100 * share:.1f} %"
