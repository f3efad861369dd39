// Example 3.1, live: the printed path (10) and the corrected path on a slice of the sphere, the loss along both, the least
// ε that the printed path serves; then what mini-batch noise, Gaussian noise and one push do to the example.
"use strict";
live.define("saddle", (stage) => {
  const model = ncpaperModel(), { element, number, percent } = live;
  const sizes = { K: 4, d: 4, n: 1 }, B = [1, -1, 0, 0, -1, 1, 0, 0, 0, 0, 1, -1, 0, 0, -1, 1];
  const RUNS = 5, LENGTH = 10_000, FRAMES = 200, THRESHOLD = "0.6747";  // C_*, above which the printed path goes below
  const END = 2 - Math.sqrt(8 / 3);  // s where the corrected path has reached the simplex
  const decimal = (from, to, step) => Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => Number((from + i * step).toFixed(2)));

  // -------------------------------------------------------------------------------------------------- the two paths
  // The change of the loss from the example to (p, q) on the slice, from the changes of the exponentials of the two gaps,
  // so that it is right to all digits near the example.
  function change(a, p, q) {
    const near = Math.exp(-4 * a), far = Math.exp(-2 * a);
    const sum = near * Math.expm1(4 * a * (p * p + q * q)) + 2 * far * Math.expm1(2 * a * (q * q - p * p));
    return 4 * Math.log1p(sum / (1 + near + 2 * far));
  }
  const exact = (s) => (s < 1e-3 ? number(s, 2) : String(s));
  const paths = {
    printed: (s) => { const b = Math.sqrt(s * (2 - s) / 2); return [(s + 2 * b) / Math.sqrt(8), (s - 2 * b) / Math.sqrt(8)]; },
    corrected: (s) => [Math.sin(2 * Math.asin(Math.sqrt(Math.min(s, END)) / 2)), 0],
  };
  const along = (path, C, s) => change(C * C, ...paths[path](s));

  // The least s at which the printed path is no longer above the example, or null: by the proposition at least 9/16 e^(−4a).
  function crossing(C) {
    let low = (9 / 16) * Math.exp(-4 * C * C);
    const ratio = (1 / low) ** (1 / 400), above = (s) => along("printed", C, s) > 0;
    while (above(low * ratio)) { low *= ratio; if (low * ratio >= 1) return null; }
    let high = low * ratio;
    for (let i = 0; i < 60; i++) { const middle = (low + high) / 2; if (above(middle)) low = middle; else high = middle; }
    return high;
  }
  const epsilon = (C) => { const s = crossing(C); return s === null ? null : 16 * C * C * s; };

  // -------------------------------------------------------------------------------------------------- controls and panels
  const Cs = decimal(0.4, 1.75, 0.05), ss = [];
  for (let k = -6; k < 0; k++) for (const m of ["1", "1.3", "1.6", "2", "2.5", "3.2", "4", "5", "6.3", "8"]) ss.push(Number(`${m}e${k}`));
  stage.ask("Which path leads down from Example 3.1, and does noise find it?");
  const scale = stage.slider({ name: "C", label: "scale of the example, C", values: Cs, value: 1, change: () => { drawPaths(); later(); } });
  const place = stage.slider({ name: "s", label: "point of the path, s", values: ss, value: 0.005, format: exact, change: drawPoints });
  const chosen = (values, x) => values.reduce((best, v) => (Math.abs(v - x) < Math.abs(best - x) ? v : best));

  const slice = stage.drawing({ title: "slice of the sphere from above", size: 1, alt: "" });
  slice.setAttribute("viewBox", "-16 -40 100 80");
  const sliceNote = slice.parentNode.appendChild(element("p", { class: "live-note" }));
  const frame = { x: [0, 1], y: [-1, 1], unit: 1, ticks: [-1, 0, 1] };
  const losses = stage.plot({
    title: "change of the loss along the paths", x: { label: "distance from the example", range: () => frame.x },
    y: { label: "change of the loss", range: () => frame.y, get splits() { return frame.ticks.map((v) => v * frame.unit); }, format: (v) => String(Number((v / frame.unit).toPrecision(2))).replace("-", "−") },
    series: [{ label: "printed path (10)", color: "printed", width: 2 }, { label: "corrected path", color: "corrected", width: 2 },
      { label: "at the example", color: "bound", dash: [5, 4] }],
    pick: (x) => place.show(chosen(ss, (x / (4 * scale.value)) ** 2)),
  });
  const least = stage.plot({
    title: "the least ε of the printed path", x: { label: "scale C", range: [0.4, 1.75], splits: [0.4, 0.8, 1.2, 1.6] }, y: { label: "ε", log: true },
    series: [{ label: "computed", color: "printed", width: 2 }, { label: "no ε below (proved)", color: "bound", dash: [5, 4] }],
    pick: (x) => scale.show(chosen(Cs, x)),
  });
  const fine = decimal(0.4, 1.75, 0.01);
  least.set([fine, fine.map(epsilon), fine.map((C) => 9 * C * C * Math.exp(-4 * C * C))]);
  const saidOfPaths = element("p", { class: "live-said", role: "status" });
  stage.said.before(saidOfPaths);

  const second = element("div", { class: "live-controls", role: "group", "aria-label": "Settings of the noise" });
  stage.said.before(second);
  let noise, rate, size, seed, player;
  stage.within(second, () => {
    noise = stage.choice({ name: "noise", label: "noise", value: "batch", change: restart,
      options: { batch: "mini-batch, one sample a step", gauss: "Gaussian, in every step", push: "Gaussian, once at the start" } });
    player = stage.player({ label: "gradient descent", seconds: 10, format: (f) => `step ${steps[f]}`, show });
    stage.button({ label: "new runs", press: () => seed.show((seed.value + RUNS) % 100) });
    stage.more(() => {
      rate = stage.slider({ name: "rate", label: "learning rate", values: [0.03, 0.1, 0.3, 1], value: 0.1, change: later });
      size = stage.slider({ name: "size", label: "size of the noise", values: [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5], value: 0.1, change: later });
      seed = stage.slider({ name: "seed", label: "seed of the first run", values: Array.from({ length: 100 }, (_, i) => i), value: 0, change: later });
      stage.share();
    });
  });
  stage.row();
  const space = stage.drawing({ title: "the first run: → classifiers, ● features", size: 200, alt: "" });
  space.setAttribute("viewBox", "-104 -66 208 132");
  space.parentNode.append(element("p", { class: "live-note" }, "The gray square is the plane of the two pairs. The height is the part along u, and a part along o is not drawn."));
  const log = { label: "step", log: true, range: [1, LENGTH] }, shares = { ratio: [0.4, 1.02], outside: [0, 1] };
  const runs = (entries) => [...Array.from({ length: RUNS }, (_, i) => ({ label: `run ${i + 1}`, color: "feature", width: i ? 0.8 : 2.4 })), ...entries];
  const seek = (step) => player.seek(steps.indexOf(chosen(steps, step)));
  const ratios = stage.plot({ title: "margin / bound: 1 is collapse", x: log, y: { label: "margin / bound", range: () => shares.ratio }, pick: seek,
    series: runs([{ label: "Example 3.1: 3/4", color: "bound", dash: [5, 4] }, { label: "collapse", color: "corrected", dash: [5, 4] }]) });
  const outsides = stage.plot({ title: "part of the norm outside the plane", x: log, y: { label: "part", range: () => shares.outside }, series: runs([]), pick: seek });
  const legend = (plot, more) => plot.room.querySelector(".live-legend").replaceWith(
    stage.legend([{ label: "first run (thick) and four more", color: "feature" }, ...more]));
  legend(ratios, [{ label: "Example 3.1: 3/4", color: "bound", dash: true }, { label: "collapse", color: "corrected", dash: true }]);
  legend(outsides, []);

  // -------------------------------------------------------------------------------------------------- the paths, drawn
  const paint = (role, more = {}) => ({ style: `stroke: var(--figure-${role})`, fill: "none", ...more });
  const track = (points) => points.map(([p, q], i) => `${i ? "L" : "M"}${(100 * p).toFixed(2)} ${(-100 * q).toFixed(2)}`).join("");
  const write = (x, y, text, more = {}) => element("svg:text", { x, y, "font-size": 3.6, fill: "currentColor", ...more }, text);
  const dot = (role, [p, q], r = 1.7) => element("svg:circle", { cx: 100 * p, cy: -100 * q, r, style: `fill: var(--figure-${role}); stroke: var(--figure-ground)`, "stroke-width": 0.4 });
  const points = element("svg:g");

  // Lines of equal height at the multiples of `step` but zero, by linear interpolation on triangles.
  function level(rows, step) {
    const parts = [], cross = ([p, q, h], [P, Q, g], value) => { const t = (value - h) / (g - h); return [p + t * (P - p), q + t * (Q - q)]; };
    const side = (n, u, v, ends) => { if ((u[2] < n * step) !== (v[2] < n * step)) ends.push(cross(u, v, n * step)); };
    for (let i = 1; i < rows.length; i++) for (let j = 1; j < rows[i].length; j++) {
      const [a, b, c, d] = [rows[i - 1][j - 1], rows[i - 1][j], rows[i][j], rows[i][j - 1]];
      for (const [x, y, z] of [[a, b, c], [a, c, d]]) {
        const most = Math.max(x[2], y[2], z[2]);
        for (let n = Math.ceil(Math.min(x[2], y[2], z[2]) / step); n * step <= most; n++) {
          const ends = [];
          if (n) { side(n, x, y, ends); side(n, y, z, ends); side(n, z, x, ends); }
          if (ends.length) parts.push(track(ends));
        }
      }
    }
    return parts.join("");
  }

  // Where the loss is lower than at the example: a strip for each row of the grid.
  function lower(rows) {
    const parts = [];
    for (const row of rows) for (let j = 1; j < row.length; j++) {
      const [[p, q, h], [P, , g]] = [row[j - 1], row[j]];
      if (h >= 0 && g >= 0) continue;
      const edge = p + (h / (h - g)) * (P - p);
      parts.push(track([[h < 0 ? p : edge, q], [g < 0 ? P : edge, q]]));
    }
    return parts.join("");
  }

  function drawPaths() {
    const C = scale.value, a = C * C, s = crossing(C);
    const grid = (step) => decimal(-36, 36, step).map((q) => decimal(-16, 84, 2).map((p) => [p / 100, q / 100, change(a, p / 100, q / 100)]));
    const rows = grid(1), heights = rows.flat().map((v) => v[2]), spread = Math.max(...heights) - Math.min(...heights);
    const step = [1, 2, 5].map((m) => m * 10 ** Math.floor(Math.log10(spread / 8))).findLast((v) => v <= spread / 8);
    const [far] = paths.corrected(END), way = Array.from({ length: 121 }, (_, i) => 0.8 * (i / 120) ** 2);
    slice.replaceChildren(
      element("svg:path", paint("corrected", { d: lower(grid(0.3)), "stroke-width": 0.36, "stroke-opacity": 0.2 })),
      element("svg:path", paint("neutral", { d: level(rows, step), "stroke-width": 0.3 })),
      ...["corrected", "printed"].map((path) => element("svg:path", paint(path, { d: track(way.map(paths[path])), "stroke-width": 1.2 }))),
      write(100 * far, 1.6, "★", { "text-anchor": "middle", "font-size": 6, style: "fill: var(--figure-corrected)" }), write(100 * far - 5, -4, "simplex"),
      dot("bound", [0, 0]), write(-14, -2.4, "example"), write(24, -16, "green: lower loss than"), write(24, -11.6, "at the example"),
      write(-16, 39.4, "p, pairs apart →"), write(-16, -37.2, "q, common shift ↑"), points);
    sliceNote.textContent = `Each line joins points of equal loss; neighbouring lines are ${number(step, 1)} nats apart.`;
    const most = s === null ? 0.8 : Math.min(0.8, 2.2 * s), xs = Array.from({ length: 161 }, (_, i) => 4 * C * Math.sqrt(most) * (i / 160));
    const curves = ["printed", "corrected"].map((path) => xs.map((x) => along(path, C, (x / (4 * C)) ** 2)));
    const top = Math.max(...curves[0]) * (s === null ? 1.1 : 1.6), unit = 10 ** Math.floor(Math.log10(top));
    const tick = top < 2 * unit ? 0.5 : top < 5 * unit ? 1 : 2;
    Object.assign(frame, { x: [0, xs.at(-1)], y: [-top, top], unit, ticks: [-4, -3, -2, -1, 0, 1, 2, 3, 4].map((v) => v * tick).filter((v) => Math.abs(v * unit) <= top) });
    losses.chart.axes[1].label = `change (${live.power(unit)} nats)`;
    losses.set([xs, ...curves, xs.map(() => 0)]);
    least.mark(C);
    drawPoints();
  }

  const higher = (x) => `${number(Math.abs(x))} nats ${x > 0 ? "higher" : "lower"}`;
  function drawPoints() {
    const C = scale.value, s = place.value, least = epsilon(C), distance = 4 * C * Math.sqrt(s);
    const [printed, corrected] = ["printed", "corrected"].map((path) => along(path, C, s));
    points.replaceChildren(dot("corrected", paths.corrected(s)), dot("printed", paths.printed(s)));
    losses.mark(distance <= frame.x[1] ? distance : null);
    slice.setAttribute("aria-label", `The slice at C = ${C}, with lines of equal loss. The corrected path runs along the valley of lower loss to the simplex. The printed path leaves at an angle to the valley.`);
    sayOfPaths([
      `At s = 1 + α = ${exact(s)} the printed path is at squared distance ${number(distance ** 2)} from the example, and its loss is ${higher(printed)} than the example's.`,
      s < END ? `At the same distance the loss of the corrected path is ${higher(corrected)}.` : `The corrected path has ended at the simplex, whose loss is ${higher(corrected)}.`,
      least === null ? `For C = ${C}, which is below ${THRESHOLD}…, every computed point of the printed path is higher than the example, so the path satisfies (11) for no ε.`
        : `For C = ${C} the printed path satisfies (11) for every ε above ${number(least)} and for no smaller one. The corrected path satisfies it for every ε.`,
    ].join(" "));
  }

  // As stage.say: at once, but not again within a second.
  let waiting, words;
  function sayOfPaths(text) {
    words = text;
    if (waiting) return;
    saidOfPaths.textContent = text;
    waiting = setTimeout(() => { waiting = undefined; if (saidOfPaths.textContent !== words) sayOfPaths(words); }, 1000);
  }

  // -------------------------------------------------------------------------------------------------- the noise
  const steps = [...new Set([0, ...Array.from({ length: FRAMES }, (_, i) => Math.round(LENGTH ** (i / (FRAMES - 1))))])];
  const all = [0, 1, 2, 3], g = new Float64Array(4), dW = new Float64Array(16), dH = new Float64Array(16);

  // The gradient of the loss of the samples `columns`, in dW and dH.
  function gradient({ W, H }, columns) {
    dW.fill(0);
    dH.fill(0);
    for (const m of columns) {
      let top = -Infinity, total = 0, wrong = 0;
      for (let k = 0; k < 4; k++) {
        g[k] = 0;
        for (let i = 0; i < 4; i++) g[k] += W[4 * k + i] * H[4 * i + m];
        top = Math.max(top, g[k]);
      }
      for (let k = 0; k < 4; k++) { g[k] = Math.exp(g[k] - top); total += g[k]; if (k !== m) wrong += g[k]; }
      for (let k = 0; k < 4; k++) g[k] = (k === m ? -wrong : g[k]) / total;
      for (let k = 0; k < 4; k++) for (let i = 0; i < 4; i++) { dW[4 * k + i] += g[k] * H[4 * i + m]; dH[4 * i + m] += W[4 * k + i] * g[k]; }
    }
  }

  // One run from C B: the random numbers in their order are samples, or the entries of W and then of H.
  function descend(C, kind, rate, size, seed) {
    const point = { W: Float64Array.from(B, (x) => C * x), H: Float64Array.from(B, (x) => C * x) }, states = [];
    const next = kind === "batch" ? model.uniform(seed) : model.normal(seed);
    const add = (target, factor) => { for (let i = 0; i < 16; i++) target[i] += factor * next(); };
    if (kind === "push") { add(point.W, size); add(point.H, size); }
    for (let t = 0; ; t++) {
      if (t === steps[states.length]) {
        if (!Number.isFinite(model.squaredNorm(point))) return states;
        states.push(state(point));
        if (states.length === steps.length) return states;
      }
      gradient(point, kind === "batch" ? [Math.floor(4 * next())] : all);
      if (kind === "gauss") { add(dW, size); add(dH, size); }
      const step = kind === "batch" ? 4 * rate : rate;  // a sample of four, times four: unbiased
      for (let i = 0; i < 16; i++) { point.W[i] -= step * dW[i]; point.H[i] -= step * dH[i]; }
    }
  }

  // The margin over its bound, the part of the norm outside the plane, classifiers and features along e, f, u.
  function state(point) {
    const { classifiers, samples } = model.vectors(point, sizes), both = [...classifiers, ...samples];
    const outside = both.reduce((sum, v) => sum + ((v[0] + v[1]) ** 2 + (v[2] + v[3]) ** 2) / 2, 0);
    const seen = (v) => [(v[0] - v[1]) / Math.SQRT2, (v[2] - v[3]) / Math.SQRT2, (v[0] + v[1] - v[2] - v[3]) / 2];
    const byLength = (list) => { const rms = Math.hypot(...list.flat()) / 2; return list.map((v) => seen(v).map((x) => x / rms)); };
    return { ratio: model.margin(point, sizes) / model.bound(point, sizes), outside: Math.sqrt(outside / model.squaredNorm(point)),
      classifiers: byLength(classifiers), features: byLength(samples) };
  }

  let found = [], timer, frameShown = steps.length - 1;
  function later() { clearTimeout(timer); timer = setTimeout(restart, 100); }  // a slider moves faster than five runs
  function restart() {
    size.box.hidden = noise.value === "batch";
    found = Array.from({ length: RUNS }, (_, i) => descend(scale.value, noise.value, rate.value, size.value, (seed.value + i) % 100));
    const shown = found.map((run) => run.slice(1)), column = (name) => shown.map((run) => steps.slice(1).map((_, f) => run[f]?.[name] ?? null));
    const ratio = column("ratio"), outside = column("outside");
    shares.ratio[0] = Math.min(0.4, Math.floor(10 * Math.min(...ratio.flat())) / 10);
    shares.outside[1] = Math.max(0.1, Math.min(1, Math.ceil(11 * Math.max(...outside.flat())) / 10));
    ratios.set([steps.slice(1), ...ratio, steps.slice(1).map(() => 0.75), steps.slice(1).map(() => 1)]);
    outsides.set([steps.slice(1), ...outside]);
    const ended = Math.min(...found.map((run) => run.length)) - 1;
    player.restart(steps.slice(0, ended + 1).map((t) => Math.log10(1 + t)), Math.min(frameShown, ended));
  }

  const span = (values) => { const [low, high] = [Math.min(...values), Math.max(...values)].map((x) => number(100 * x, 4)); return low === high ? `${low} %` : `${low} to ${high} %`; };
  function sentence(f) {
    const now = found.map((run) => run[f]), top = Math.max(...found.flatMap((run) => run.slice(1, f + 1)).map((s) => s.ratio), 0);
    const out = now.map((s) => s.outside), margin = `the margins are ${span(now.map((s) => s.ratio))} of their bound`;
    const most = f ? `The largest margin at a recorded step so far is ${percent(top, 4)}, ${top > 0.75 ? "above" : "not above"} the 75 % of Example 3.1.` : "";
    const begin = f ? `After ${steps[f]} step${steps[f] > 1 ? "s" : ""}` : "At the start";
    const last = Math.min(...found.map((run) => run.length)) - 1;
    const ended = last < steps.length - 1 ? `The learning rate is too large: a run diverges after step ${steps[last]}, and the play ends there.` : "";
    if (noise.value === "batch") {
      return `${begin} the part outside the plane is ${Math.max(...out) === 0 ? "exactly 0" : number(Math.max(...out))} in all five runs, and ${margin}. ${most} Mini-batch noise never leaves the plane, and there no margin exceeds 75 %. ${ended}`;
    }
    const leaves = noise.value === "gauss" ? "Gaussian noise in every step leaves the plane, but it keeps disturbing the margin." : "One push leaves the plane, and then descent turns slowly.";
    return `${begin} ${span(out)} of the norm is outside the plane, and ${margin}. ${most} ${leaves} ${ended}`;
  }

  // A vector along e, f, u in the drawing, seen from above and from the side.
  function project([e, f, u]) {
    const [a, b] = [0.5, 0.42], deep = Math.cos(a) * f - Math.sin(a) * e;
    return [54 * (Math.cos(a) * e + Math.sin(a) * f), -54 * (Math.cos(b) * u + Math.sin(b) * deep)];
  }
  const line = (from, to, look) => element("svg:path", { d: `M${from.map((x) => x.toFixed(2)).join(" ")}L${to.map((x) => x.toFixed(2)).join(" ")}`, fill: "none", ...look });

  function show(f, playing) {
    if (!found.length) return;
    frameShown = f;
    const { classifiers, features } = found[0][f], corners = [[1, 1], [1, -1], [-1, -1], [-1, 1]].map(([x, y]) => project([1.3 * x, 1.3 * y, 0]).join(","));
    space.replaceChildren(
      element("svg:polygon", { points: corners.join(" "), style: "fill: var(--figure-neutral); stroke: var(--figure-neutral)", "fill-opacity": 0.2 }),
      ...classifiers.flatMap((w, k) => {
        const tip = project(w), angle = (Math.atan2(tip[1], tip[0]) * 180) / Math.PI, color = live.classes[k], mark = project(features[k]);
        return [
          line(project([w[0], w[1], 0]), tip, { stroke: color, "stroke-width": 1, "stroke-dasharray": "2 3" }),
          line([0, 0], tip, { stroke: color, "stroke-width": 2.6 }),
          element("svg:path", { d: "M2 0L-8-4L-8 4Z", fill: color, transform: `translate(${tip}) rotate(${angle})` }),
          element("svg:circle", { cx: mark[0], cy: mark[1], r: 4, fill: color, "fill-opacity": 0.55 }),
        ];
      }));
    space.setAttribute("aria-label", `Step ${steps[f]} of the first run: four arrows and four markers over the plane of the two pairs; ${percent(found[0][f].outside)} of the norm is outside the plane.`);
    for (const plot of [ratios, outsides]) plot.mark(Math.max(1, steps[f]));
    stage.settings.step = steps[f];
    stage.say(sentence(f));
    if (!playing && stage.root.isConnected) stage.remember();
  }

  const asked = Number(stage.given.get("step") ?? LENGTH);
  if (Number.isInteger(asked) && asked >= 0 && asked <= LENGTH) frameShown = steps.indexOf(chosen(steps, asked));
  else stage.complaints.push(`step=${stage.given.get("step")} in the address is no whole number from 0 to ${LENGTH}; ${LENGTH} is used.`);
  drawPaths();
  restart();
  return {
    seek,
    values: () => {
      const C = scale.value, s = place.value, now = found.map((run) => run[player.frame]);
      return { C, s, squaredDistance: 16 * C * C * s, printed: along("printed", C, s), corrected: along("corrected", C, s), epsilon: epsilon(C),
        step: steps[player.frame], ratios: now.map((v) => v.ratio), outside: now.map((v) => v.outside) };
    },
  };
});
