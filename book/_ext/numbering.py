"""The book's own numbers carry the letter of their chapter, so that none can be taken for a number of the paper.

"Theorem 3.1" and "(3)" are the paper's; "Theorem M1", "(M1)" and "Figure M1" stand in the chapter whose letter in
``_config.yml``'s ``chapter_letters`` is M. Theorems, lemmas and the like share one count in each chapter.
"""


def count(numbers, letter):
    """The ids of one kind on a page, with the letter and their place in the order of the page."""
    return {name: (f"{letter}{place}",) for place, name in enumerate(numbers, start=1)}


def letter(app, env):
    """Replace the numbers of every page; raise ``ValueError`` for a page that has numbers and no letter."""
    letters = app.config.chapter_letters
    if len(set(letters.values())) != len(letters):
        raise ValueError("chapter_letters: two pages have the same letter")
    for page, kinds in env.toc_fignumbers.items():
        if any(kinds.values()) and page not in letters:
            raise ValueError(f"chapter_letters: {page} has numbered results and no letter")
        env.toc_fignumbers[page] = {kind: count(numbers, letters.get(page)) for kind, numbers in kinds.items()}
    return []  # no page has to be read again


def setup(app):
    app.add_config_value("chapter_letters", {}, "env")
    app.connect("env-get-updated", letter, priority=900)  # after Sphinx has counted
    return {"parallel_read_safe": True, "parallel_write_safe": True}
