"""Cut the fonts of the admin site from those that Unfold brings: `python -m tests.fonts`.

Needs fonttools and brotli, which no other part does: install them for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unfold

THEIRS = Path(unfold.__file__).parent / "static/unfold/fonts"
OURS = Path(__file__).resolve().parents[1] / "iop_clinic/static/unfold/fonts"
ICONS = "material-symbols/Material-Symbols-Outlined.woff2"
LETTERS = (
    "20-7E,A0-24F,259,2B0-2FF,300-304,306-30C,323,1E00-1EFF,2000-206F,20AC,2100-2122,"
    "2190-2193,2212,2215,2260,2264,2265,FEFF,FFFD"
)
"""Latin with its accents, punctuation, the euro, arrows, comparisons."""


def icon_names() -> list[str]:
    return (OURS / "material-symbols/icons.txt").read_text().split()


def cut() -> None:
    from fontTools.ttLib import TTFont  # type: ignore[import-not-found]  # see above

    for weight in ("Regular", "Medium", "SemiBold", "Bold"):
        name = f"inter/Inter-{weight}.woff2"
        features = ["kern", "liga", "calt", "ccmp", "locl", "mark", "mkmk", "tnum"]
        _write(TTFont(THEIRS / name), name, features, unicodes=LETTERS)
    font = TTFont(THEIRS / ICONS)
    glyphs = dict(_ligatures(font))
    wanted = [glyphs[name] for name in icon_names()]
    _write(font, ICONS, ["liga", "rlig"], unicodes="20,5F,30-39,61-7A", glyphs=wanted)


def _ligatures(font: Any) -> Iterator[tuple[str, str]]:
    """Each icon's name, as it is typed, with its glyph."""
    typed = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            found = getattr(getattr(table, "ExtSubTable", table), "ligatures", {})
            for first, rows in found.items():
                for row in rows:
                    yield "".join(typed[one] for one in (first, *row.Component)), row.LigGlyph


def _write(font: Any, name: str, features: list[str], *, unicodes: str, glyphs: Any = ()) -> None:
    from fontTools import subset  # type: ignore[import-not-found]  # see above

    options = subset.Options(flavor="woff2", layout_features=features)
    options.layout_closure = not glyphs  # or every icon that the letters can spell would stay
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=subset.parse_unicodes(unicodes), glyphs=glyphs)
    cutter.subset(font)
    subset.save_font(font, OURS / name, options)


if __name__ == "__main__":
    cut()
