"""HTML as text, every value escaped by the one function that writes elements."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | None) -> Markup:
    """An element; children that are no Markup are escaped. ``class_`` stands for class, ``_`` for ``-``."""
    names = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    head = "".join(f' {name}="{html.escape(value)}"' for name, value in names if value is not None)
    return Markup(f"<{tag}{head}>{joined(children)}</{tag}>")


def joined(children: Iterable[str]) -> Markup:
    """Children one after the other, escaped where they are plain text."""
    return Markup("".join(child if isinstance(child, Markup) else html.escape(child) for child in children))


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: frozenset[int]
) -> Markup:
    """A table with a caption; the first cell of a row is its heading; ``numbers`` are columns of figures.

    Where words stand beside several columns each row is a card on a phone: they would be columns of a letter.
    """
    rows = list(rows)
    cards = len(headings) >= _MANY and any(len(cell) > _LONG for row in rows for cell in row)
    head = element(
        "tr",
        *(element("th", text, scope="col", class_=_css(at, numbers)) for at, text in enumerate(headings)),
    )
    body = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(
                element("td", cell, class_=_css(at, numbers), data_heading=headings[at] if cards else None)
                for at, cell in enumerate(row[1:], start=1)
            ),
        )
        for row in rows
    )
    style = "data cards-when-narrow" if cards else "data"
    inside = joined((element("caption", caption), element("thead", head), element("tbody", *body)))
    return element("div", element("table", inside, class_=style), class_="table-scroll")


_MANY, _LONG = 4, 60


def _css(at: int, numbers: frozenset[int]) -> str | None:
    return "number" if at in numbers else None
