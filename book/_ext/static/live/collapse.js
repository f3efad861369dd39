// Collapse, live: gradient descent on the model (4) from a random initialisation, step by step.
"use strict";
live.define("collapse", (stage) => {
  const model = ncpaperModel();
  const sizes = { K: 3, d: 2, n: 5 };
  const scale = stage.slider({ name: "scale", label: "scale of the initialisation", values: [0.01, 0.03, 0.1, 0.3, 1], value: 0.3, change: restart });
  stage.button({ label: "play", press: () => {} });
  stage.share();
  const plane = stage.drawing({ title: "features and classifiers", size: 4, alt: "Features, class means and classifiers in the plane." });
  const margins = stage.plot({
    title: "margin and its bound", x: { label: "steps", log: true }, y: { label: "margin" },
    series: [{ label: "margin", color: "feature" }, { label: "bound", color: "bound", dash: [5, 4] }],
  });
  let point;
  function restart() {
    point = model.initial(sizes, scale.value, 0);
    const xs = [], q = [], b = [];
    const advance = model.descent(sizes);
    for (let t = 1; t < 2000; t++) { advance(point, 0.05, 1); xs.push(t); q.push(model.margin(point, sizes)); b.push(model.bound(point, sizes)); }
    margins.set([xs, q, b]);
    const { classifiers } = model.vectors(point, sizes);
    plane.replaceChildren(...classifiers.map((w, k) => live.element("svg:line", { x1: 0, y1: 0, x2: w[0] / 4, y2: -w[1] / 4, stroke: live.classes[k], "stroke-width": 0.04 })));
    stage.say(`margin ${q.at(-1).toFixed(3)}`);
  }
  restart();
  return { values: () => ({ margin: model.margin(point, sizes) }) };
});
