"""Structure in a PDF: which text is a heading, which a cell, so that it can be read aloud.

ReportLab draws; what it does not know is the tree of headings, tables and cells that screen readers
follow (PDF 1.7, section 14.7 and 14.8). Each tagged text notes its number on its page; on saving
the tree is written beside the pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFPage
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table


@dataclass(eq=False)
class Element:
    """A node of the tree: its role (H1, P, Table, TR, TH, TD), what is in it, where its text is."""

    role: str
    scope: str = ""
    children: list[Element] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    def add(self, role: str, scope: str = "") -> Element:
        child = Element(role, scope)
        self.children.append(child)
        return child


class TaggedParagraph(Paragraph):
    """A text that belongs to an element; without one, or when a page repeats it, it is ornament."""

    element: Element | None = None

    def draw(self) -> None:
        new = self.element if self.element is not None and not self.element.marks else None
        with self.canv.tagged(new):
            super().draw()

    def split(self, width: float, height: float) -> list[Any]:
        parts: list[Any] = super().split(width, height)
        for part in parts[:1]:
            part.element = self.element
        for part in parts[1:]:  # goes on, on the next page, as a text of the same role
            part.element = Element(self.element.role) if self.element else None
        return parts


class TaggedTable(Table):
    """A table whose lines and shades are ornament; its cells say themselves what they are."""

    def _drawBkgrnd(self) -> None:
        with self.canv.tagged(None):
            super()._drawBkgrnd()

    def _drawLines(self) -> None:
        with self.canv.tagged(None):
            super()._drawLines()


class TaggedCanvas(Canvas):
    """Writes the tree of `root` into the file."""

    root: Element

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pages: list[PDFPage] = []
        self._marked: list[list[Element]] = [[]]

    @contextmanager
    def tagged(self, element: Element | None) -> Iterator[None]:
        """Whatever is drawn inside is the element's, or ornament."""
        if element is None:
            self._code.append("/Artifact BMC")
        else:
            number = len(self._marked[-1])
            self._marked[-1].append(element)
            element.marks.append((len(self._pages), number))
            self._code.append(f"/{element.role} <</MCID {number}>> BDC")
        yield
        self._code.append("EMC")

    def showPage(self) -> None:
        super().showPage()
        page = self._doc.Pages.pages[-1]
        page.__NoDefault__ = [*PDFPage.__NoDefault__, "StructParents", "Tabs"]
        page.StructParents, page.Tabs = len(self._pages), PDFName("S")
        self._pages.append(page)
        self._marked.append([])

    def save(self) -> None:
        if self._code:
            self.showPage()
        self._write_tree()
        super().save()

    def _write_tree(self) -> None:
        doc = self._doc
        tree = PDFDictionary({"Type": PDFName("StructTreeRoot")})
        top = doc.Reference(tree)
        written: dict[Element, Any] = {}
        tree["K"] = self._write(self.root, top, written)
        numbers: list[Any] = []
        for number, elements in enumerate(self._marked[: len(self._pages)]):
            numbers += [number, PDFArray([written[one] for one in elements])]
        tree["ParentTree"] = doc.Reference(PDFDictionary({"Nums": PDFArray(numbers)}))
        tree["ParentTreeNextKey"] = len(self._pages)
        doc.Catalog.StructTreeRoot = top
        doc.Catalog.MarkInfo = PDFDictionary({"Marked": "true"})

    def _write(self, element: Element, parent: Any, written: dict[Element, Any]) -> Any:
        node = PDFDictionary(
            {"Type": PDFName("StructElem"), "S": PDFName(element.role), "P": parent}
        )
        written[element] = me = self._doc.Reference(node)
        if element.scope:
            attributes = {"O": PDFName("Table"), "Scope": PDFName(element.scope)}
            node["A"] = PDFDictionary(attributes)
        kids = [self._mark(page, number) for page, number in element.marks]
        kids += [self._write(child, me, written) for child in element.children]
        node["K"] = PDFArray(kids)
        return me

    def _mark(self, page: int, number: int) -> PDFDictionary:
        place = self._doc.Reference(self._pages[page])
        return PDFDictionary({"Type": PDFName("MCR"), "Pg": place, "MCID": number})
