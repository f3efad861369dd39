/* The search page shows first the places of the book that a query names, then what Sphinx finds in whole pages. */
"use strict";
(() => {
  const { spellings, places } = window.ncpaperPlaces;
  const spelled = (text) => {
    let words = text.toLowerCase();
    for (const [pattern, word] of spellings) words = words.replace(new RegExp(pattern, "g"), word);
    return (words.match(/[\p{L}\p{N}]+(?:\.\p{N}+)*/gu) || []).join(" ");
  };
  const kinds = { card: 3, word: 3, result: 2, section: 1, equation: 0 };

  /* How well a place answers a query; zero where a word of the query is nowhere in it. Numbers count in names only. */
  const score = ([kind, , , heading, , names, text], query) => {
    const title = spelled(heading), words = query.split(" ");
    const said = new Set(`${names.join(" ")} ${title}`.split(" ")), all = new Set(text.split(" "));
    let sum = 0;
    for (const word of words) {
      const begins = (set) => word.length > 3 && [...set].some((other) => other.startsWith(word));
      const value = said.has(word) ? 10 : /\d/.test(word) ? 0 : all.has(word) ? 3 : begins(said) ? 6 : begins(all) ? 1 : 0;
      if (!value) return 0;
      sum += value / words.length;
    }
    if (names.includes(query)) sum += 100;
    if (` ${title} `.includes(` ${query} `)) sum += 20 + (20 * query.length) / title.length;
    if (` ${text} `.includes(` ${query} `)) sum += 5;
    return sum + kinds[kind];
  };
  const escaped = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

  const whole = Search._performSearch;
  Search._performSearch = (query, ...terms) => {
    const wanted = spelled(query);
    const best = wanted ? places.map((place) => [score(place, wanted), place]).filter(([value]) => value > 0) : [];
    best.sort((a, b) => b[0] - a[0]);
    const found = best.slice(0, 20).map(([value, [, page, id, heading, title, , , snippet]]) => [
      page,
      escaped(heading === title ? title : `${title} › ${heading}`),
      `#${id}`,
      escaped(snippet || title),
      1000 + value,
      page,
    ]);
    const seen = new Set(found.map(([page, , id]) => page + id));
    const others = whole(query, ...terms).filter(([page, , id]) => !seen.has(page + id));
    return [...others, ...found.reverse()]; // the last one is shown first
  };

  /* A page opened as a file may not read other pages. */
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  /* Sphinx cuts its snippets out of the text of a page: without formulas and code there is no TeX in them. */
  const text = Search.htmlToText;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll("template, div.cell_input, .cell_output, .eqno").forEach((e) => e.remove());
    page.querySelectorAll(".math").forEach((e) => (e.textContent = /[\\{}]/.test(e.textContent.slice(2, -2)) ? "…" : e.textContent.slice(2, -2)));
    return text(page.documentElement.outerHTML, anchor).replace(/\s+/g, " ");
  };
})();
