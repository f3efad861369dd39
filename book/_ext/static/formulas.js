/* Sets every formula of the page at once, those of folded parts when these are opened, and fits long ones to the window.
   formulas.set(element) sets the formulas of what is added later. */
(() => {
  const options = { macros: window.formulaMacros, throwOnError: false, strict: "ignore",
    trust: (context) => context.command === "\\htmlClass" };
  const written = new Map();
  const SMALLEST = 0.55; // no formula is set smaller than this share of its size

  const html = (source) => {
    if (!written.has(source)) {
      const displayMode = source.startsWith("\\[");
      const text = katex.renderToString(source.slice(2, -2), { ...options, displayMode });
      written.set(source, text.replace(' display="block"', "")); // the box is what is displayed, not what screen readers read
    }
    return written.get(source);
  };

  const waits = (formula) => {
    const fold = formula.parentElement.closest("details:not([open])");
    return fold && !formula.closest("summary");
  };

  const set = (root) => {
    for (const formula of root.querySelectorAll(".math:not([data-set])")) {
      if (waits(formula)) continue;
      const number = formula.querySelector(".eqno");
      if (number) number.remove();
      const source = formula.textContent.trim();
      if (!/^\\[[(]/.test(source)) continue;
      formula.dataset.set = "";
      formula.innerHTML = html(source);
      if (number) formula.append(number);
    }
    fit(root);
  };

  const canBreak = (formula) => formula.querySelectorAll(":scope > .katex-display > .katex > .katex-html > .base").length > 1;

  /* The share of its size at which a formula fits beside its number, which keeps its size. */
  const share = (formula) => {
    const beside = formula.querySelector(":scope > .eqno");
    const taken = beside ? beside.offsetWidth + 8 : 0;
    return (formula.clientWidth - taken) / (formula.scrollWidth - taken);
  };
  const shrink = (formula, size) => formula.style.setProperty("--size", Math.max(SMALLEST, 0.99 * size).toFixed(3));

  /* Smaller type first; below three quarters, lines break at relations and signs; then smaller type again. */
  const fit = (root) => {
    const formulas = [...root.querySelectorAll(".math-display[data-set]")].filter((f) => f.clientWidth);
    for (const f of formulas) { f.classList.remove("broken"); f.style.removeProperty("--size"); f.removeAttribute("tabindex"); }
    const wide = formulas.filter((f) => f.scrollWidth > f.clientWidth + 1).map((f) => ({ f, size: share(f) }));
    for (const w of wide) w.breaks = w.size < 0.75 && canBreak(w.f);
    for (const { f, breaks } of wide) if (breaks) f.classList.add("broken");
    for (const w of wide) if (w.breaks) w.size = share(w.f);
    for (const { f, size } of wide) if (size < 1) shrink(f, size);
    for (const { f } of wide) if (f.scrollWidth > f.clientWidth) f.setAttribute("tabindex", "0");
  };

  const start = () => {
    set(document);
    document.addEventListener("toggle", (event) => event.target.open && set(event.target), true);
    let width = innerWidth, soon;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      cancelAnimationFrame(soon);
      soon = requestAnimationFrame(() => fit(document));
    });
    if (document.fonts.status === "loading") document.fonts.ready.then(() => fit(document)); // what was measured has changed
  };

  window.formulas = { set, fit };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
