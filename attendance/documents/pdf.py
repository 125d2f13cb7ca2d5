"""A sheet as PDF, on US Letter: text that can be selected and read aloud, in letters of its own."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import getFont, getRegisteredFontNames, registerFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import SimpleDocTemplate, Spacer, TableStyle

from attendance.documents.sheet import Cells, Sheet
from attendance.documents.tagged import Element, TaggedCanvas, TaggedParagraph, TaggedTable

FONTS = {"Sheet": "DejaVuSansCondensed.ttf", "Sheet-Bold": "DejaVuSansCondensed-Bold.ttf"}
FOLDER = Path(__file__).parent / "fonts"
SIDE, TOP, BOTTOM = 15 * mm, 13 * mm, 14 * mm
PAD = 6
"""What ReportLab keeps free inside the margins by itself."""
WIDTH = letter[0] - 2 * SIDE
NAMES = 32 * mm
"""How wide the names of the facts are."""

TEXT = ParagraphStyle("text", fontName="Sheet", fontSize=8, leading=10.2)
BOLD = ParagraphStyle("bold", TEXT, fontName="Sheet-Bold")
TITLE = ParagraphStyle("title", BOLD, fontSize=13, leading=17, spaceAfter=4)
NOTE = ParagraphStyle("note", TEXT, spaceBefore=4)
NOTICE = ParagraphStyle("notice", BOLD, spaceBefore=8)
FOOT = ParagraphStyle("foot", TEXT, fontSize=7.5, leading=10)
PAGE_NUMBER = ParagraphStyle("page", FOOT, alignment=TA_RIGHT)

LINE = colors.HexColor("#9aa3ad")
SHADE = colors.HexColor("#eef1f4")


def pdf_of(sheet: Sheet) -> bytes:
    """The file. One of several pages is written twice: only then is it known how many there are."""
    _load_fonts()
    written, pages = _written(sheet, pages=1)
    if pages > 1:
        written, _ = _written(sheet, pages=pages)
    return written


def letters_lacking(sheet: Sheet) -> str:
    """The letters of a sheet that its fonts cannot draw; they would be left out without a word."""
    _load_fonts()
    told = [sheet.title, sheet.made, sheet.notice, *sheet.notes, *sheet.headers, *sheet.total]
    told += [text for fact in sheet.facts for text in fact]
    told += [text for group in sheet.groups for row in (group.head, *group.rows) for text in row]
    letters = set(unicodedata.normalize("NFC", "".join(told)))
    drawn = getFont("Sheet").face.charToGlyph
    return "".join(sorted(one for one in letters if ord(one) not in drawn and not one.isspace()))


def _load_fonts() -> None:
    known = getRegisteredFontNames()
    for name, file in FONTS.items():
        if name not in known:
            registerFont(TTFont(name, str(FOLDER / file)))


def _written(sheet: Sheet, *, pages: int) -> tuple[bytes, int]:
    file, root = io.BytesIO(), Element("Document")
    document = SimpleDocTemplate(
        file, pagesize=letter, leftMargin=SIDE - PAD, rightMargin=SIDE - PAD, topMargin=TOP,
        bottomMargin=BOTTOM, title=sheet.title, author="", subject="", creator="IOP Clinic",
        lang="en-US", displayDocTitle=True, pageCompression=1,
    )  # fmt: skip

    def foot(canvas: TaggedCanvas, _: Any) -> None:
        _draw_foot(canvas, sheet.made, pages)

    document.build(
        _story(sheet, root),
        onFirstPage=foot,
        onLaterPages=foot,
        canvasmaker=_canvas_of(root),
    )
    return file.getvalue(), document.page


def _canvas_of(root: Element) -> type[TaggedCanvas]:
    return type("SheetCanvas", (TaggedCanvas,), {"root": root})


def _story(sheet: Sheet, root: Element) -> list[Any]:
    story = [_text(sheet.title, TITLE, root.add("H1")), _facts(sheet, root), Spacer(0, 3 * mm)]
    story.append(_table(sheet, root))
    story.append(Spacer(0, 1 * mm))
    story += [_text(note, NOTE, root.add("P")) for note in sheet.notes]
    if sheet.notice:
        story.append(_text(sheet.notice, NOTICE, root.add("P")))
    return story


def _text(text: str, style: ParagraphStyle, element: Element | None) -> TaggedParagraph:
    """Letters in their composed form, which is the one that fonts draw."""
    paragraph = TaggedParagraph(escape(unicodedata.normalize("NFC", text)), style)
    paragraph.element = element
    return paragraph


def _facts(sheet: Sheet, root: Element) -> TaggedTable:
    table = root.add("Table")
    rows = []
    for name, value in sheet.facts:
        row = table.add("TR")
        rows.append([_text(name, BOLD, row.add("TH", "Row")), _text(value, TEXT, row.add("TD"))])
    return TaggedTable(rows, colWidths=[NAMES, WIDTH - NAMES], style=_FACTS, hAlign="LEFT")


_TIGHT = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ("TOPPADDING", (0, 0), (-1, -1), 1.2),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2),
]
_FACTS = TableStyle([*_TIGHT, ("LEFTPADDING", (0, 0), (0, -1), 0)])


def _table(sheet: Sheet, root: Element) -> TaggedTable:
    """Headers repeat on every page; a group's line stays with the first line under it."""
    table = root.add("Table")
    rows, heads = [_row(sheet.headers, BOLD, table, "Column")], []
    for group in sheet.groups:
        heads.append(len(rows))
        rows.append(_row(group.head, BOLD, table))
        rows += [_row(cells, TEXT, table) for cells in group.rows]
    rows.append(_row(sheet.total, BOLD, table))
    style = [*_TIGHT, ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE)]
    style += [("BACKGROUND", (0, n), (-1, n), SHADE) for n in heads]
    style += [("NOSPLIT", (0, n), (0, n + 1)) for n in heads]
    style += [("LINEBELOW", (0, 0), (-1, 0), 1, colors.black)]
    return TaggedTable(
        rows,
        colWidths=[share * WIDTH for share in sheet.widths],
        style=TableStyle(style),
        repeatRows=1,
        hAlign="LEFT",
    )


def _row(
    cells: Cells, style: ParagraphStyle, table: Element, scope: str = ""
) -> list[TaggedParagraph]:
    """A line of the table; the first cell names it."""
    row = table.add("TR")
    return [
        _text(cell, style, row.add("TH", scope or "Row") if scope or not n else row.add("TD"))
        for n, cell in enumerate(cells)
    ]


def _draw_foot(canvas: TaggedCanvas, made: str, pages: int) -> None:
    number = f"Page {canvas.getPageNumber()} of {pages}"
    for text, style in ((made, FOOT), (number, PAGE_NUMBER)):
        paragraph = _text(text, style, None)
        paragraph.wrap(WIDTH, BOTTOM)
        paragraph.drawOn(canvas, SIDE, 7 * mm)
