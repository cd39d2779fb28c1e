"""Page: title, cards and sections, written once as Markdown and once as one self-contained HTML file."""

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

from hw.report.table import Table

STYLE = Path(__file__).with_name("page.css")


@dataclass(frozen=True)
class Card:
    """One number at the top of the page. `verdict`: "good", "bad" or ""."""

    name: str
    value: str
    unit: str = ""
    note: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Picture:
    """`svg`: the text of the picture; `name`: of its file beside the Markdown."""

    name: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Section:
    """Paragraphs, then pictures, then tables. `folded`: shown only when asked for. `kind`: "", "failures" or "notes"."""

    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    folded: bool = False
    kind: str = ""


@dataclass(frozen=True)
class Page:
    title: str
    lead: str
    cards: tuple[Card, ...]
    sections: tuple[Section, ...]

    def markdown(self, pictures: str) -> str:
        """`pictures`: folder of the SVG files, as the Markdown's reader sees it."""
        parts = [f"# {self.title}", self.lead]
        rows = tuple((card.name, f"{card.value} {card.unit}".strip(), card.note) for card in self.cards)
        parts.append(Table(("", "value", ""), rows, numeric=frozenset({1})).markdown())
        for section in self.sections:
            parts += [f"## {section.title}", *(f"- {text}" if section.kind else text for text in section.text)]
            parts += [f"![{picture.alt}]({pictures}/{picture.name}.svg)" for picture in section.pictures]
            parts += [table.markdown() for table in section.tables]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """One file without references to anything outside."""
        cards = "".join(_card(card) for card in self.cards)
        sections = "".join(_section(section) for section in self.sections)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.title)}</title><style>{STYLE.read_text()}</style></head><body><main>"
            f"<header><h1>{escape(self.title)}</h1><p>{escape(self.lead)}</p></header>"
            f'<div class="cards">{cards}</div>{sections}</main></body></html>\n'
        )

    def write(self, folder: Path) -> None:
        """report.md, report.html and the pictures' SVG files into `folder`; the Markdown is to be read one folder above."""
        for section in self.sections:
            for picture in section.pictures:
                (folder / f"{picture.name}.svg").write_text(picture.svg)
        (folder / "report.md").write_text(self.markdown(folder.name.strip(".").removesuffix(".partial")))
        (folder / "report.html").write_text(self.html())


def _card(card: Card) -> str:
    unit = f" <small>{escape(card.unit)}</small>" if card.unit else ""
    return (
        f'<div class="card {card.verdict}"><div class="name">{escape(card.name)}</div>'
        f'<div class="value">{escape(card.value)}{unit}</div><div class="note">{escape(card.note)}</div></div>'
    )


def _section(section: Section) -> str:
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in section.text)
    pictures = "".join(_image(picture) for picture in section.pictures)
    tables = "".join(table.html() for table in section.tables)
    body = text + (f'<div class="pictures">{pictures}</div>' if pictures else "") + tables
    if section.folded:
        body = f"<details><summary>show</summary>{body}</details>"
    return f'<section class="{section.kind}"><h2>{escape(section.title)}</h2>{body}</section>'


def _image(picture: Picture) -> str:
    data = b64encode(picture.svg.encode()).decode()
    return f'<img alt="{escape(picture.alt)}" src="data:image/svg+xml;base64,{data}">'
