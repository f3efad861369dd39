/* Show what a reference refers to, beside it: for a mouse that rests on it, and on keyboard focus. Escape closes. */
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const known = new Map([...document.querySelectorAll("template[data-for]")].map((t) => [t.dataset.for, t]));
  if (!known.size) return;
  const card = document.createElement("div");
  Object.assign(card, { id: "hover-card", hidden: true });
  card.setAttribute("role", "tooltip");
  (document.querySelector("main") || document.body).append(card);
  const made = new Map();
  let link = null, timer = 0;

  const typeset = async (element) => {
    const set = window.ncpaperTypeset || window.formulas?.set;
    if (set) return set(element);
    await window.MathJax?.startup?.promise;
    return window.MathJax?.typesetPromise?.([element]);
  };
  const place = () => {
    if (!link) return;
    const at = [...link.getClientRects()].pop(), space = 8;
    if (!at) return close();
    const below = window.innerHeight - at.bottom > card.offsetHeight + space || at.top < window.innerHeight / 2;
    card.style.maxHeight = `${(below ? window.innerHeight - at.bottom : at.top) - 2 * space}px`;
    card.style.left = `${Math.max(space, Math.min(at.left, document.documentElement.clientWidth - card.offsetWidth - space))}px`;
    card.style.top = `${below ? at.bottom + 2 : at.top - card.offsetHeight - 2}px`;
  };
  const close = () => {
    clearTimeout(timer);
    link?.removeAttribute("aria-describedby");
    link = null;
    card.hidden = true;
  };
  const open = async (to) => {
    const href = to.getAttribute("href");
    if (!made.has(href)) {
      made.set(href, document.createElement("div"));
      made.get(href).append(known.get(href).content.cloneNode(true));
    }
    close();
    link = to;
    card.replaceChildren(made.get(href));
    card.hidden = false;
    card.scrollTop = 0;
    link.setAttribute("aria-describedby", card.id);
    place();
    if (!made.get(href).dataset.set) {
      made.get(href).dataset.set = "yes";
      await typeset(made.get(href));
      place();
    }
  };
  const reference = (node) => {
    const to = node instanceof Element && node.closest("article a.reference.internal");
    return to && known.has(to.getAttribute("href")) ? to : null;
  };
  const later = (what, delay) => {
    clearTimeout(timer);
    timer = setTimeout(what, delay);
  };

  document.addEventListener("pointerover", (e) => {
    if (e.pointerType !== "mouse") return;
    const to = reference(e.target);
    if (card.contains(e.target) || (to && to === link)) clearTimeout(timer);
    else if (to) later(() => open(to), 200);
    else if (link !== document.activeElement || !link?.matches(":focus-visible")) later(close, 300);
  });
  document.addEventListener("focusin", (e) => {
    const to = reference(e.target);
    if (to?.matches(":focus-visible")) open(to);
    else if (!card.contains(e.target)) close();
  });
  document.addEventListener("focusout", (e) => e.target === link && close());
  document.addEventListener("keydown", (e) => e.key === "Escape" && close());
  document.addEventListener("click", (e) => card.contains(e.target) || close());
  window.addEventListener("scroll", place, { passive: true });
  window.addEventListener("resize", place);
});
