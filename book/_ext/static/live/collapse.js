// Collapse, live: gradient descent on the model (4) from a random initialisation, recorded at steps equally spaced in
// the logarithm: three classes in the plane or four in space, the margin and its bound, the measures, what is conserved.
"use strict";
live.define("collapse", (stage) => {
  const model = ncpaperModel(), { element, number, percent } = live;
  const LENGTH = 10_000, FRAMES = 240, MOST = 1e6, HALF = 100;  // steps, frames, growth at most; half the width of the drawing
  const KINDS = { plane: { K: 3, d: 2 }, space: { K: 4, d: 3 } };
  const norm = (v) => Math.hypot(...v), minus = (u, v) => u.map((x, i) => x - v[i]);

  // -------------------------------------------------------------------------------------------------- controls
  stage.ask("Does gradient descent end in neural collapse?");
  const player = stage.player({ label: "gradient descent", seconds: 12, format: (f) => `step ${run?.steps[f] ?? 0}`, show });
  const kind = stage.choice({ name: "classes", label: "classes", options: { plane: "three, in the plane", space: "four, in space" },
    value: stage.figure.classList.contains("in-space") ? "space" : "plane", change: restart });
  const scale = stage.slider({ name: "scale", label: "scale of the initialisation", values: [0.01, 0.03, 0.1, 0.3, 1, 3], value: 0.3, change: restart });
  stage.button({ label: "new initialisation", press: () => seed.show((seed.value + 1) % 100) });
  let seed, n, rate, average, reading;
  stage.more(() => {
    n = stage.slider({ name: "n", label: "samples of each class, n", values: [1, 2, 3, 5, 10, 20], value: 5, change: restart });
    rate = stage.slider({ name: "rate", label: "learning rate", values: [0.01, 0.03, 0.1, 0.3, 1, 3], value: 0.1, change: restart });
    average = stage.choice({ name: "loss", label: "loss", options: { sum: "sum over the samples", mean: "mean of the samples" }, value: "sum", change: restart });
    reading = stage.choice({ name: "reading", label: "classifiers and angles",
      options: { centred: "centred: wₖ − w̄, h̄ₖ − h̄", plain: "not centred: wₖ, h̄ₖ" }, value: "centred", change: reread });
    seed = stage.slider({ name: "seed", label: "seed", values: Array.from({ length: 100 }, (_, i) => i), value: 12, change: restart });
    stage.share();
  });

  // -------------------------------------------------------------------------------------------------- panels
  stage.row().classList.add("beside");
  const drawing = stage.drawing({ title: "● ■ ▲ features, × class means, → classifiers", size: 2 * HALF, alt: "" });
  const note = drawing.parentNode.appendChild(element("p", { class: "live-note" }));
  let turn, tilt;
  const view = drawing.parentNode.appendChild(stage.within(element("div", { class: "live-controls live-view" }), () => {
    const degrees = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
    turn = stage.slider({ name: "turn", label: "turn", values: degrees(0, 359), value: 20, format: (v) => `${v}°`, change: draw });
    tilt = stage.slider({ name: "tilt", label: "tilt", values: degrees(-90, 90), value: 25, format: (v) => `${v}°`.replace("-", "−"), change: draw });
  }));
  const both = [{ label: "class means", color: "feature" }, { label: "classifiers", color: "classifier" }];
  const plot = (title, series, y = { log: true }) =>
    stage.plot({ title, x: { label: "step", log: true }, y, series, height: 122, pick: (step) => player.seek(nearest(step)) });
  const margins = plot("margin and its bound", [{ label: "margin", color: "feature" }, { label: "bound", color: "bound", dash: [5, 4] }], {});
  const laws = plot("drift of Ξ and w̄, and growth", [{ label: "Ξ", color: "reference" }, { label: "w̄", color: "corrected" },
    { label: "growth", color: "text", dash: [5, 4] }]);
  const panels = [plot("(a) unequal lengths", both), plot("(b) variation within classes", both.slice(0, 1)),
    plot("(c) unequal angles", both), plot("(d) distance of directions", [{ label: "classifiers from class means", color: "classifier" }])];
  const NAMES = {
    centred: [["class_mean_norms", "centred_classifier_norms"], ["within_class_variation"],
      ["centred_class_mean_cosines", "centred_classifier_cosines"], ["centred_self_duality_distance"]],
    plain: [["class_mean_norms", "classifier_norms"], ["within_class_variation"],
      ["class_mean_cosines", "classifier_cosines"], ["self_duality_distance"]],
  };

  // -------------------------------------------------------------------------------------------------- the run
  let run, drawn = -1;
  const recorded = [...new Set([0, ...Array.from({ length: FRAMES }, (_, i) => Math.round(LENGTH ** (i / (FRAMES - 1))))])];
  function nearest(step) {
    const away = (t) => Math.abs(Math.log((t + 1) / (step + 1)));
    return run.steps.reduce((best, t, frame) => (away(t) < away(run.steps[best]) ? frame : best), 0);
  }
  const fits = (point) => Math.sqrt(model.squaredNorm(point)) <= MOST * run.size;  // false also for NaN

  // Gradient descent, with all that is shown at the recorded steps; it ends where the steps throw the point far away.
  function restart() {
    const sizes = { ...KINDS[kind.value], n: n.value }, samples = average.value === "mean" ? sizes.K * sizes.n : 1;
    const point = model.initial(sizes, scale.value, seed.value), advance = model.descent(sizes);
    run = { sizes, steps: [], states: [], samples, size: Math.sqrt(model.squaredNorm(point)) };
    for (const step of recorded) {
      const before = model.copy(point), from = run.steps.at(-1) ?? 0;
      advance(point, rate.value / samples, step - from);
      if (!fits(point)) { run.burst = firstBurst(before, advance, from); break; }
      run.steps.push(step);
      run.states.push(state(point));
    }
    run.states.reduceRight((reach, s) => (s.reach = Math.max(reach, ...[s.features, s.classifiers, s.centred].flat().map(norm))), 1);
    view.hidden = sizes.d < 3;
    drawing.classList.toggle("live-turns", sizes.d === 3);
    reread();
    player.restart(run.steps.map((t) => Math.log10(1 + t)), drawn < 0 ? nearest(first) : drawn);
  }

  function firstBurst(point, advance, step) {
    while (fits(point)) { advance(point, rate.value / run.samples, 1); step += 1; }
    return step;
  }

  // What is shown of a point. Features and classifiers are divided by their root mean square lengths.
  function state(point) {
    const { sizes, samples, states } = run, v = model.vectors(point, sizes);
    const rms = (list) => Math.sqrt(list.reduce((s, u) => s + norm(u) ** 2, 0) / list.length);
    const byLength = (list, length) => list.map((u) => u.map((x) => x / length));
    const centred = v.classifiers.map((w) => minus(w, v.meanClassifier));
    const [feature, classifier, centredClassifier] = [v.samples, v.classifiers, centred].map(rms);
    const imbalance = model.imbalance(point, sizes).flat(), size = Math.sqrt(model.squaredNorm(point));
    const first = states[0] ?? { imbalance, meanClassifier: v.meanClassifier };
    const drift = (name, now) => norm(minus(now, first[name])) / norm(first[name]);
    return {
      features: byLength(v.samples, feature), means: byLength(v.means, feature),
      classifiers: byLength(v.classifiers, classifier), centred: byLength(centred, centredClassifier),
      lengths: { feature, plain: classifier, centred: centredClassifier },
      loss: model.loss(point, sizes) / samples, margin: model.margin(point, sizes), bound: model.bound(point, sizes),
      measures: model.measures(point, sizes), imbalance, meanClassifier: v.meanClassifier,
      imbalanceDrift: drift("imbalance", imbalance), meanClassifierDrift: drift("meanClassifier", v.meanClassifier), growth: size / run.size,
    };
  }

  // -------------------------------------------------------------------------------------------------- what is seen
  function reread() {
    const states = run.states.slice(1), steps = run.steps.slice(1), column = (read) => states.map(read);
    margins.set([steps, column((s) => s.margin), column((s) => s.bound)]);
    laws.set([steps, column((s) => s.imbalanceDrift), column((s) => s.meanClassifierDrift), column((s) => s.growth)]);
    panels.forEach((panel, i) => panel.set([steps, ...NAMES[reading.value][i].map((name) => column((s) => s.measures[name]))]));
    draw();
  }

  function show(frame, playing) {
    if (!run) return;
    const step = Math.max(run.steps[frame], 1), fresh = frame !== drawn;
    if (playing && run.sizes.d === 3 && !stage.calm) spin();
    drawn = frame;
    stage.settings.step = run.steps[frame];
    for (const p of [margins, laws, ...panels]) p.mark(step);
    draw();
    if (fresh || !playing) stage.say(sentence(frame));
    if (fresh && !playing && stage.root.isConnected) stage.remember();
  }

  let spun = 0;
  function spin() {
    spun += 0.25;
    if (spun >= 1) { spun -= 1; turn.show((turn.value + 1) % 360); }
  }

  function sentence(frame) {
    const s = run.states[frame], last = run.states.at(-1), end = run.steps.at(-1);
    const margin = s.margin > 0 ? `the margin is ${percent(s.margin / s.bound)} of its bound`
      : "the margin is negative, because some samples are not classified correctly";
    const text = [`${frame ? `After ${run.steps[frame]} step${run.steps[frame] > 1 ? "s" : ""}` : "At the initialisation"} the loss is ${number(s.loss)}, and ${margin}.`];
    if (frame) text.push(`These steps let the imbalance Ξ drift by ${percent(s.imbalanceDrift, 2)} of its initial norm, and the mean classifier w̄ by rounding only, ${number(s.meanClassifierDrift, 1)} of its norm.`);
    else if (last.margin > 0) text.push(`The faint lines lead to step ${end}, where the margin is ${percent(last.margin / last.bound)} of its bound.`);
    else text.push(`At step ${end} the margin is still negative.`);
    if (run.burst) text.push(`The learning rate is too large: at step ${run.burst} the point is more than a million times as long as at the initialisation, and the run ends.`);
    return text.join(" ");
  }

  // The length in the drawing of a vector of length one: all that is drawn from here to the end of the run has room.
  const present = () => run.states[Math.min(drawn, run.states.length - 1)];
  const unitLength = () => HALF / (1.06 * present().reach);

  // A vector of the plane or of space in the drawing: right, up, and towards the reader.
  function project(v) {
    const unit = unitLength();
    if (v.length === 2) return [v[0] * unit, -v[1] * unit, 0];
    const [a, b] = [turn.value, tilt.value].map((degree) => (degree * Math.PI) / 180);
    const [x, y, z] = v, across = Math.cos(a) * x + Math.sin(a) * z, deep = Math.cos(a) * z - Math.sin(a) * x;
    return [across * unit, -(Math.cos(b) * y - Math.sin(b) * deep) * unit, (Math.sin(b) * y + Math.cos(b) * deep) * unit];
  }

  const MARKERS = ["M-4 0A4 4 0 1 0 4 0A4 4 0 1 0-4 0Z", "M-3.6-3.6H3.6V3.6H-3.6Z", "M0-4.6L4.4 3.4H-4.4Z", "M0-4.9L4.9 0L0 4.9L-4.9 0Z"];
  const at = ([x, y], angle = 0) => `translate(${x.toFixed(2)} ${y.toFixed(2)}) rotate(${angle.toFixed(1)})`;
  const path = (d, look) => element("svg:path", { d, ...look });
  const line = (points, look) => path(`M${points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L")}`, { fill: "none", ...look });
  function arrow(tip, look) {
    const turned = at(tip, (Math.atan2(tip[1], tip[0]) * 180) / Math.PI);
    return element("svg:g", look, line([[0, 0], tip], {}), path("M0 0L-8-3.4L-8 3.4Z", { stroke: "none", fill: look.stroke, transform: turned }));
  }

  // The ways of the class means through the whole run, and the classifiers at its end.
  function faint(which) {
    const last = run.states.at(-1);
    return last.means.flatMap((_, k) => [
      line(run.states.map((s) => project(s.means[k])), { stroke: live.classes[k], "stroke-width": 1.2, "stroke-opacity": 0.45 }),
      arrow(project(last[which][k]), { stroke: live.classes[k], "stroke-width": 2, opacity: 0.3 }),
    ]);
  }

  // Features, classifiers and class means of a state, the nearer ones later and stronger.
  function things(s, which) {
    const depth = (z) => (run.sizes.d < 3 ? 1 : 0.75 + 0.25 * Math.max(-1, Math.min(1, z / unitLength())));
    const place = (v, make) => { const p = project(v); return [p[2], make(p, depth(p[2]))]; };
    const own = (m) => Math.floor(m / run.sizes.n);
    return [
      ...s.features.map((v, m) => place(v, (p, near) => path(MARKERS[own(m)], { fill: live.classes[own(m)],
        "fill-opacity": 0.6 * near, transform: `${at(p)} scale(${0.7 + 0.3 * near})` }))),
      ...s[which].map((w, k) => place(w, (p, near) => arrow(p, { stroke: live.classes[k], "stroke-width": 2.6, opacity: near }))),
      ...s.means.map((v) => place(v, (p) => path("M-4-4L4 4M-4 4L4-4", { class: "live-cross", transform: at(p) }))),
    ].sort(([z], [other]) => z - other).map(([, made]) => made);
  }

  function draw() {
    if (!run || drawn < 0) return;
    const s = present(), which = reading.value === "centred" ? "centred" : "classifiers", corners = s.means.map(project);
    const edges = corners.flatMap((u, k) => corners.slice(k + 1).map((v) => line([u, v], { class: "live-edge" })));
    const circle = element("svg:circle", { class: "live-unit", r: unitLength() });
    drawing.replaceChildren(circle, ...(s === run.states.at(-1) ? [] : faint(which)), ...edges, ...things(s, which));
    drawing.setAttribute("aria-label",
      `Step ${run.steps[run.states.indexOf(s)]}: features of ${corners.length} classes as markers, class means as crosses, classifiers as arrows.`);
    note.textContent = `The circle marks the root mean square length: ${number(s.lengths.feature)} for features, `
      + `${number(s.lengths[reading.value])} for classifiers. The drawing is rescaled at every step.`;
  }

  let held = null;
  drawing.addEventListener("pointerdown", (event) => {
    drawing.setPointerCapture(event.pointerId);
    held = { turn: turn.value - Math.round(event.clientX), tilt: tilt.value - Math.round(event.clientY) };
  });
  drawing.addEventListener("pointermove", (event) => {
    if (run.sizes.d < 3 || !drawing.hasPointerCapture(event.pointerId)) return;
    turn.show((((held.turn + Math.round(event.clientX)) % 360) + 360) % 360);
    tilt.show(Math.max(-90, Math.min(90, held.tilt + Math.round(event.clientY))));
  });

  const first = stage.whole("step", 0, LENGTH, 0);
  restart();
  return {
    seek: (step) => player.seek(nearest(step)),
    values: () => {
      const { loss, margin, bound, measures, imbalanceDrift, meanClassifierDrift, growth } = run.states[player.frame];
      const shown = Object.fromEntries(NAMES[reading.value].flat().map((name) => [name, measures[name]]));
      return { step: run.steps[player.frame], loss, margin, bound, measures: shown, imbalanceDrift, meanClassifierDrift, growth, burst: run.burst ?? null };
    },
  };
});
