// Proofs and code are folded. A link into a fold opens it, print opens all, one switch does the same for the page.
// It runs before the formulas are set (formulas.js): the switch above the title makes the browser style all that follows.
"use strict";
(() => {
  const article = document.querySelector("article");
  const folds = article ? [...article.querySelectorAll("details.proof-fold, div.cell details")] : [];

  const lead = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let e = target.parentElement; e; e = e.parentElement) if (e.matches("details")) e.open = true;
    if (target.matches("details")) target.open = true;
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", lead);
  if (location.hash) document.addEventListener("DOMContentLoaded", lead);

  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("article details:not([open])")];
    closed.forEach((e) => { e.open = true; });
    window.formulas?.set(document);
  });
  window.addEventListener("afterprint", () => closed.forEach((e) => { e.open = false; }));

  if (folds.length < 2) return;
  const proofs = folds.some((e) => e.matches(".proof-fold"));
  const what = proofs && folds.some((e) => !e.matches(".proof-fold")) ? "Proofs and code" : proofs ? "Proofs" : "Code";
  const button = document.createElement("button");
  const name = () => { button.textContent = `${what}: ${folds.some((e) => !e.open) ? "open" : "close"} all`; };
  button.type = "button";
  button.className = "fold-switch";
  button.addEventListener("click", () => {
    const open = folds.some((e) => !e.open);
    folds.forEach((e) => { e.open = open; });
    name();
  });
  folds.forEach((e) => e.addEventListener("toggle", name));
  name();
  article.querySelector("h1")?.before(button);
})();
