"""The rendered book as one document for paper: every chapter in the order of the table of contents, nothing folded.

What only a screen can use is left out: buttons, links to this place, downloads, and the gallery, whose pictures stand in
the chapters. Identifiers carry the name of their page, so that none is there twice, and links lead to them. A link to a
page that is not in the document, such as the source of a test, becomes text.
"""

import re
from itertools import pairwise
from urllib.parse import unquote

import yaml
from bs4 import BeautifulSoup

#: Pages of the table of contents that are not printed, and those that go to the end.
LEFT_OUT, LAST = {"gallery"}, ["api"]

#: What only a screen can use. A page marks more of it with ``noprint``, the class that the theme hides on paper.
SCREEN = (
    "a.headerlink, button, script, details.citing, .citing-claim, a:has(.viewcode-link), .sd-summary-state-marker, "
    "#pdf-edition, .noprint, .d-print-none, .sd-container-fluid:has(.sd-card-title)"
)

#: Attributes that name one identifier, or several with blanks between them.
REFERENCES = ("for", "headers", "aria-labelledby", "aria-describedby", "aria-controls")

#: No piece of a map is higher than this; a landscape page then shows it in type of six points.
HIGHEST = 900

#: The scripts that set the formulas, among those of a page.
FORMULAS = re.compile("katex|formulas.js|formulaMacros")

EMPTY = "<!DOCTYPE html><html lang='en' data-theme='light'><head></head><body></body></html>"

ADDRESS = re.compile(r"https?://|mailto:")


def order(toc):
    """The parts of a table of contents: pairs of a caption, ``None`` for the first page, and the names of the pages."""
    parts = [(None, [toc["root"]]), *((p["caption"], [c["file"] for c in p["chapters"]]) for p in toc["parts"])]
    parts = [(caption, [file.rsplit("/", 1)[-1] for file in files]) for caption, files in parts]
    kept = [(caption, [n for n in names if n not in {*LEFT_OUT, *LAST}]) for caption, names in parts]
    kept[-1][1].extend(name for _, names in parts for name in names if name in LAST)
    return kept


def read(path):
    """The article of a page, and its style sheets and scripts for formulas as elements of the head, by what they say.

    Raise ``ValueError`` where the page has no article.
    """
    page = BeautifulSoup(path.read_text(encoding="utf8"), "html.parser")
    article = page.select_one("article.bd-article > section")
    if article is None:
        raise ValueError(f"{path}: expected a page of the rendered book, with an article; make book renders it anew")
    needed = [*page.select('link[rel="stylesheet"]'), *page.head.select("script")]
    for element in needed:
        for name in {"href", "src"} & set(element.attrs):
            element[name] = "/" + element[name].split("?")[0].removeprefix("../")
    return article, {str(e): e for e in needed if e.name == "link" or FORMULAS.search(str(e))}


def tag(soup, name, text="", **attributes):
    """A new element."""
    made = soup.new_tag(name, attrs={k.rstrip("_"): v for k, v in attributes.items()})
    made.append(text)
    return made


def drop(article):
    """Take away what only a screen can use, with the headings under which nothing is left."""
    for element in article.select(SCREEN):
        if not element.decomposed:
            element.decompose()
    for section in article.select("section"):
        if not section.decomposed and all(
            child.name in ("h2", "h3", "span") for child in section.find_all(True, recursive=False)
        ):
            section.decompose()


def unfold(article):
    """Turn every folded part into an open one; its summary becomes its first line, except over code."""
    for fold in reversed(article.select("details")):
        summary = fold.find("summary", recursive=False)
        if summary is not None and fold.find_parent(class_="cell"):
            summary.decompose()
            fold.unwrap()
            continue
        if summary is not None:
            summary.name, summary["class"] = "p", ["fold-head"]
        fold.name = "div"
        fold.attrs.pop("open", None)


def cut(svg):
    """The pieces of a map too high for a page: whole bands each, as many as go on one page, with the boxes in them."""
    width, height = float(svg["width"]), float(svg["height"])
    tops = [float(band["y"]) - 4 for band in svg.select("rect.band")] + [height]
    pieces, start = [], 0
    for here, after in pairwise(tops):
        if after - start > HIGHEST and here > start:
            pieces.append((start, here))
            start = here
    pieces.append((start, height))
    made = []
    for number, (top, bottom) in enumerate(pieces, start=1):
        piece = BeautifulSoup(str(svg), "html.parser").svg
        for box in piece.select("a"):
            if not top <= float(box.rect["y"]) < bottom:
                box.decompose()
        for element in piece.select("[id]"):
            element["id"] += f"-{number}"
        for element in piece.select("[marker-end]"):
            element["marker-end"] = element["marker-end"].replace(")", f"-{number})")
        piece["viewbox"], piece["height"] = f"0 {top:g} {width:g} {bottom - top:g}", f"{bottom - top:g}"
        piece["aria-label"] += f", part {number} of {len(pieces)}"
        made.append(piece)
    return made


def maps(article, soup):
    """Put maps that are higher than a page on pages of their own, and drop what lets a map answer to a pointer."""
    for svg in article.select(".statement-map svg"):
        for style in svg.select("style"):
            style.decompose()
        if float(svg["height"]) > HIGHEST:
            holder = svg.parent
            pieces = cut(svg)
            holder.clear()
            holder["class"] = [*holder["class"], "cut"]
            holder.extend(pieces)
            holder.insert_before(tag(soup, "p", f"The map stands on the last {len(pieces)} pages of this chapter."))
            article.append(holder.extract())
    for holder in article.select(".statement-map"):
        for name in ("tabindex", "role", "aria-label"):
            holder.attrs.pop(name, None)


def name_ids(article, page):
    """Put the name of the page before each identifier, and into what refers to it within the page.

    Proofs all have the same identifier on a page; only the first of them keeps it.
    """
    seen = set()
    for element in [article, *article.find_all(True)]:
        for name, value in list(element.attrs.items()):
            if name == "id" and value in seen:
                del element["id"]
            elif name == "id":
                seen.add(value)
                element["id"] = f"{page}--{value}"
            elif name in REFERENCES:
                words = value if isinstance(value, list) else value.split()
                element[name] = " ".join(f"{page}--{word}" for word in words)
            elif isinstance(value, str) and "url(#" in value:
                element[name] = value.replace("url(#", f"url(#{page}--")
            elif element.name == "use" and name.endswith("href"):
                element[name] = value.replace("#", f"#{page}--", 1)


def target(href, page, pages):
    """Where a link of ``page`` leads within the document or outside it; ``None`` where the document has no such place."""
    if ADDRESS.match(href):
        return href
    path, _, anchor = href.partition("#")
    name = path.removesuffix(".html") if path else page
    if name not in pages:
        return None
    return f"#{name}--{unquote(anchor)}" if anchor else f"#{name}"


def lead(article, page, pages, soup):
    """Let every link lead into the document or to a public address, or make it text; a test says its file."""
    for link in article.select("a"):
        goal = target(link["href"], page, pages) if "href" in link.attrs else None
        if goal:
            link["href"] = goal
            link.attrs.pop("title", None)  # a PDF shows no titles of links
            continue
        if "test" in link.get("class", []) and "::" in link.get("title", ""):
            link.insert_after(" ", tag(soup, "code", link["title"].split("::")[0].split("/")[-1], class_="test-file"))
        link.name = "g" if link.find_parent("svg") else "span"
        link.attrs = {k: v for k, v in link.attrs.items() if k in ("class", "id")}


def demote(article):
    """Lower every heading by one level: the parts have the first."""
    for level in (5, 4, 3, 2, 1):
        for heading in article.select(f"h{level}"):
            heading.name = f"h{level + 1}"


def sources(article):
    """Take pictures from the top of the site, where the document lies."""
    for element in article.select("[src]"):
        element["src"] = "/" + element["src"].removeprefix("../")
        element.attrs.pop("loading", None)


def chapter(path, page, pages, soup):
    """One page of the site as a part of the document, its title, and what it needs in the head."""
    article, head = read(path)
    drop(article)
    if page == "errata":  # the tests stand on the cards
        for tests in article.select(".claim-tests"):
            tests.decompose()
    unfold(article)
    maps(article, soup)
    name_ids(article, page)
    lead(article, page, pages, soup)
    sources(article)
    title = article.h1.get_text()
    made = tag(soup, "section", id=page, class_="chapter", style=f"page: {page}")
    made.append(article)
    return made, title, head


def front(citation, soup):
    """The title page: title, authors, version and licence, as the citation file has them."""
    page = tag(soup, "section", class_="front", style="page: front")
    title, _, subtitle = citation["title"].removeprefix("ncpaper: ").partition(" to ")
    page.append(tag(soup, "p", f"{title[:1].upper()}{title[1:]} to", class_="kind"))
    page.append(tag(soup, "h1", subtitle.strip("'")))
    page.append(tag(soup, "p", ", ".join(author["name"] for author in citation["authors"]), class_="authors"))
    page.append(tag(soup, "p", f"Version {citation['version']}", class_="version"))
    page.append(tag(soup, "p", citation["abstract"].strip(), class_="abstract"))
    page.append(
        tag(
            soup,
            "p",
            f"Code is under the {citation['license']} licence. Quotations from the paper stay with their authors. "
            "The book is also a site of linked pages, which has the files and data of every figure, the source of "
            "every test, and a notebook of every chapter.",
            class_="rights",
        )
    )
    return page


def contents(parts, titles, numbers, soup):
    """The table of contents; ``numbers`` are the pages on which the chapters begin, as far as they are known."""
    page = tag(soup, "nav", id="contents", class_="toc-page", style="page: front")
    page["aria-label"] = "Contents"
    page.append(tag(soup, "h1", "Contents"))
    for caption, names in parts:
        if caption:
            page.append(tag(soup, "p", caption, class_="part-entry"))
        for name in names:
            entry = tag(soup, "a", href=f"#{name}", class_="entry")
            entry.append(tag(soup, "span", titles[name]))
            entry.append(tag(soup, "span", str(numbers.get(name, "000")), class_="number"))
            page.append(entry)
    return page


def running(titles):
    """The style sheet that puts the title of a chapter over its pages."""
    quoted = {name: title.replace("\\", "\\\\").replace('"', '\\"') for name, title in titles.items()}
    return "\n".join(f'@page {name} {{ @top-left {{ content: "{title}" }} }}' for name, title in quoted.items())


class Paper:
    """The whole document: ``titles`` are those of its chapters, by name, and :meth:`text` writes it.

    ``html`` is the folder of the rendered book, ``style`` the style sheet for paper.
    """

    def __init__(self, html, toc, citation, style):
        """Assemble it; raise ``FileNotFoundError`` where a page is missing, and what :meth:`check` raises."""
        self.parts, self.titles, self.citation = order(toc), {}, citation
        pages = {name for _, names in self.parts for name in names}
        self.soup = BeautifulSoup(EMPTY, "html.parser")
        self.main, head = tag(self.soup, "main", class_="bd-article"), {}
        for caption, names in self.parts:
            for place, name in enumerate(names):
                made, self.titles[name], needed = chapter(html / "book" / f"{name}.html", name, pages, self.soup)
                head |= needed
                if caption:
                    demote(made)
                if caption and place == 0:
                    made.insert(0, tag(self.soup, "h1", caption, class_="part"))
                self.main.append(made)
        self.main.insert(0, front(citation, self.soup))
        self.soup.head.extend([tag(self.soup, "meta", charset="utf-8"), tag(self.soup, "title", citation["title"])])
        self.soup.head.extend(head.values())
        self.soup.head.append(tag(self.soup, "style", f"{style}\n{running(self.titles)}"))
        self.soup.body.append(self.main)
        self.check()

    def check(self):
        """Raise ``ValueError`` where an identifier stands twice or a link leads nowhere."""
        ids = [element["id"] for element in self.soup.select("[id]")]
        if len(set(ids)) < len(ids):
            raise ValueError(f"the same identifier twice: {sorted({i for i in ids if ids.count(i) > 1})}")
        lost = {a["href"] for a in self.soup.select('a[href^="#"]')} - {f"#{i}" for i in ids}
        if lost:
            raise ValueError(f"links that lead to no place of the document: {', '.join(sorted(lost))}")

    def headings(self):
        """The headings in the order of the text, that of the contents among them."""
        first, *rest = [
            re.sub(r"\\[()]", "", " ".join(h.get_text().split())) for h in self.main.select("h1,h2,h3,h4,h5,h6")
        ]
        return [first, "Contents", *rest]

    def text(self, begins):
        """The document as HTML; ``begins`` are the pages on which its chapters begin, as far as they are known."""
        table = contents(self.parts, self.titles, begins, self.soup)
        self.main.contents[0].insert_after(table)
        text = str(self.soup)
        table.extract()
        return text


def load_toc(path):
    """The table of contents of the book."""
    return yaml.safe_load(path.read_text(encoding="utf8"))
