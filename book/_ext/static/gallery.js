// The gallery, filtered by chapter, kind and claim. The choice stands in the address, so that it can be linked; without
// scripts every figure is shown.
"use strict";
(() => {
  const entries = [...document.querySelectorAll(".gallery-entry")].map((element) => {
    const { chapter, kind, claims } = element.querySelector("details.citing").dataset;
    return { element, chapter: [chapter], kind: [kind], claim: claims.split(" ") };
  });
  if (!entries.length) return;
  const titles = new Map(entries.map(({ element, chapter }) => [chapter[0], element.querySelector("a").textContent]));
  const names = ["chapter", "kind", "claim"];
  const form = document.createElement("form");
  form.className = "gallery-filter";
  form.setAttribute("aria-label", "Filter the figures");
  const lists = Object.fromEntries(names.map((name) => {
    const label = document.createElement("label"), list = document.createElement("select");
    list.name = name;
    list.append(new Option("all", ""));
    for (const value of new Set(entries.flatMap((entry) => entry[name])))
      list.append(new Option(titles.get(name === "chapter" ? value : "") ?? value, value));
    label.append(name[0].toUpperCase() + name.slice(1), list);
    form.append(label, " ");
    return [name, list];
  }));
  const reset = document.createElement("button"), count = document.createElement("p");
  reset.type = "reset";
  reset.textContent = "show all";
  count.setAttribute("role", "status");
  form.append(reset, count);
  entries[0].element.before(form);

  function show() {
    const shown = entries.filter((entry) => names.every((name) => !lists[name].value || entry[name].includes(lists[name].value)));
    for (const entry of entries) entry.element.hidden = !shown.includes(entry);
    count.textContent = `${shown.length} of ${entries.length} figures`;
  }
  function write() {
    const chosen = new URLSearchParams(names.filter((name) => lists[name].value).map((name) => [name, lists[name].value]));
    history.replaceState(null, "", chosen.size ? `#${chosen}` : location.pathname + location.search);
    show();
  }
  // An address with a choice that no figure has shows all; one that names a place shows that place.
  function read() {
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const name of names) {
      lists[name].value = chosen.get(name) ?? "";
      if (lists[name].selectedIndex < 0) lists[name].value = "";
    }
    show();
    if (!names.some((name) => chosen.has(name))) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
  form.addEventListener("change", write);
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const name of names) lists[name].value = "";
    write();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", read);
  read();
})();
