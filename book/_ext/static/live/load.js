// A live figure is loaded when it comes into view, or when a link leads to it: first what all share, then its program.
"use strict";
(() => {
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  const loaded = {};
  const script = (name) => loaded[name] ??= new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = base + name;
    element.onload = done;
    element.onerror = () => failed(new Error(`${name} could not be loaded`));
    document.head.append(element);
  });
  const style = (name) => loaded[name] ??= document.head.append(
    Object.assign(document.createElement("link"), { rel: "stylesheet", href: base + name }));

  async function start(figure) {
    const name = [...figure.classList].find((c) => c.startsWith("live-")).slice(5).replaceAll("-", "_");
    try {
      style("uplot/uPlot.min.css");
      for (const shared of ["uplot/uPlot.iife.min.js", "model.js", "stage.js"]) await script(shared);
      await script(`${name}.js`);
      window.live.mount(figure, name);
    } catch (error) {  // the still picture stays
      figure.dataset.live = "failed";
      console.error(error);
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const seen = new IntersectionObserver((entries) => entries.filter((e) => e.isIntersecting).forEach((e) => {
      seen.unobserve(e.target);
      start(e.target);
    }), { rootMargin: "200px" });
    document.querySelectorAll("figure.live").forEach((figure) => seen.observe(figure));
  });
})();
