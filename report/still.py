"""A page without a script: content in the house's style, in one file, with a policy that lets nothing in."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from dashboards.view.assets import STATIC
from report.markup import Markup, element, joined
from warren.errors import NotReadyError

_LIGHT = re.compile(r':root\[data-theme="light"\] \{([^}]*)\}')
_OWN = Path(__file__).parent / "static"


def render(title: str, content: Iterable[Markup], *, sheet: str) -> str:
    """The page as text; ``sheet`` is the stylesheet in this folder that is its own."""
    files = (STATIC / "view.css", _OWN / "report.css", _OWN / sheet)
    sheets = "".join(path.read_text(encoding="utf-8") for path in files)
    style = Markup(sheets + _light_where_wanted(sheets))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = joined((
        Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", title),
        Markup(f"<style>{style}</style>"),
    ))  # fmt: skip
    body = element("main", *content, class_="report")
    top = '<!doctype html>\n<html lang="en">'
    return f"{top}\n<head>{head}</head>\n<body>{body}</body>\n</html>\n"


def _light_where_wanted(sheets: str) -> str:
    """The view's light colours for a reader whose system is light: there is no script to choose by."""
    colors = _LIGHT.search(sheets)
    if colors is None:
        raise AssertionError("view.css has no colours of the light theme")
    return f"@media (prefers-color-scheme: light) {{ :root {{{colors.group(1)}}} }}"


def write(page: str, out: Path) -> Path:
    """Write ``page`` to ``out``, wholly or not at all, and return it; raises NotReadyError when it cannot."""
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(out)
    except OSError as error:
        raise NotReadyError(str(out), f"the page cannot be written: {error.strerror}") from error
    return out
