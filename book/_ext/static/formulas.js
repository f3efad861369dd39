/* Sets every formula of the page at once, those of folded parts when these are opened, and fits long ones to the window.
   formulas.set(element) sets the formulas of what is added later. */
(() => {
  const options = { macros: window.formulaMacros, throwOnError: false, strict: "ignore",
    trust: (context) => context.command === "\\htmlClass" };
  const written = new Map();
  const SMALLEST = 0.6; // no formula is set smaller than this share of its size

  const html = (source) => {
    if (!written.has(source)) {
      const displayMode = source.startsWith("\\[");
      written.set(source, katex.renderToString(source.slice(2, -2), { ...options, displayMode }));
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

  const isBroken = (formula) => formula.querySelectorAll(":scope > .katex-display > .katex > .katex-html > .base").length > 1;

  /* Smaller type first; below three quarters, lines break at relations and signs; then smaller type again. */
  const fit = (root) => {
    const formulas = [...root.querySelectorAll(".math-display[data-set]")].filter((f) => f.clientWidth);
    for (const f of formulas) { f.classList.remove("broken"); f.style.removeProperty("--size"); }
    const shares = formulas.map((f) => f.clientWidth / f.scrollWidth);
    const long = formulas.filter((f, i) => shares[i] < 0.75 && isBroken(f));
    const scaled = new Map(formulas.map((f, i) => [f, shares[i]]));
    for (const f of long) f.classList.add("broken");
    for (const f of long) scaled.set(f, f.clientWidth / f.scrollWidth);
    for (const [f, share] of scaled) if (share < 1) f.style.setProperty("--size", Math.max(SMALLEST, 0.98 * share).toFixed(3));
    for (const f of formulas) {
      if (f.scrollWidth > f.clientWidth + 1) f.setAttribute("tabindex", "0");
      else f.removeAttribute("tabindex");
    }
  };

  const start = () => {
    set(document);
    document.addEventListener("toggle", (event) => event.target.open && set(event.target), true);
    addEventListener("beforeprint", () => {
      for (const fold of document.querySelectorAll("article details:not([open])")) fold.open = true;
      set(document);
    });
    let width = innerWidth, soon;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      cancelAnimationFrame(soon);
      soon = requestAnimationFrame(() => fit(document));
    });
    document.fonts.ready.then(() => fit(document));
  };

  window.formulas = { set, fit };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
