// Figure 2, live: all 10⁵ steps in a worker, the four panels with their slopes, the exponents far beyond the window from
// recorded data, and the sentences of the caption answered for this run.
"use strict";
(() => {
  const source = document.currentScript.src;
  const K = 5, d = 20, TAIL = 1000;
  const LIKE = -0.8;  // at this slope or below a measure counts as falling like 1/log t, as in the tests of the chapter
  const at = Array.from({ length: 33 }, (_, i) => Math.round(10 ** (1 + i / 8))), last = at.at(-1);
  const fixed = (x) => x.toFixed(2), signed = (x) => (x > 0 ? "+" : "") + fixed(x).replace("-", "−");

  // In the worker: the whole run in pieces, the measures after the steps in `at`, or the first step that overflows.
  function work(model) {
    onmessage = ({ data: { sizes, scale, seed, step, at } }) => {
      const point = model.initial(sizes, scale, seed), advance = model.descent(sizes), rows = [], begin = performance.now();
      const finite = ({ W, H }) => W.every(Number.isFinite) && H.every(Number.isFinite);
      for (let t = 0; rows.length < at.length;) {
        const steps = Math.min(at[rows.length] - t, 1000), before = model.copy(point);
        advance(point, step, steps);
        if (!finite(point)) {  // once more, step by step
          do { advance(before, step, 1); t++; } while (finite(before));
          return postMessage({ overflow: t });
        }
        t += steps;
        postMessage({ t });
        if (t < at[rows.length]) continue;
        rows.push(model.measures(point, sizes));
        if (!Object.values(rows.at(-1)).every(Number.isFinite)) return postMessage({ overflow: t });
      }
      const margin = model.margin(point, sizes), bound = model.bound(point, sizes);
      postMessage({ rows, margin, bound, seconds: (performance.now() - begin) / 1000 });
    };
  }

  // The slope of log X against log log t on the tail and half the difference of its halves, as ncpaper.rates.slope.
  function slope(X) {
    const points = at.map((t, i) => [Math.log(Math.log(t)), Math.log(X[i])]).slice(at.indexOf(TAIL));
    const fit = (kept) => {
      const x = kept.reduce((s, p) => s + p[0], 0) / kept.length, y = kept.reduce((s, p) => s + p[1], 0) / kept.length;
      return kept.reduce((s, p) => s + (p[0] - x) * (p[1] - y), 0) / kept.reduce((s, p) => s + (p[0] - x) ** 2, 0);
    };
    const middle = (points[0][0] + points.at(-1)[0]) / 2;
    const early = fit(points.filter((p) => p[0] <= middle)), late = fit(points.filter((p) => p[0] >= middle));
    return { value: fit(points), spread: Math.abs(late - early) / 2 };
  }

  // The exponent p of X ~ (log t)^−p between two recorded steps, with t the time of the flow, `step` for each step.
  function exponents(X, step) {
    const x = at.map((t) => Math.log(Math.log(t * step))), found = [[], []];
    for (let i = 1; i < at.length; i++) if (at[i - 1] * step > 2) {
      found[0].push(Math.exp((x[i] + x[i - 1]) / 2));
      found[1].push(-Math.log(X[i] / X[i - 1]) / (x[i] - x[i - 1]));
    }
    return found;
  }

  // The polyline through the points (x, y) at the places `xs`, null outside.
  const between = (xs, [x, y]) => xs.map((v) => {
    const i = x.findIndex((u) => u >= v);
    if (i <= 0) return i === 0 && x[0] === v ? y[0] : null;
    return y[i - 1] + ((v - x[i - 1]) / (x[i] - x[i - 1])) * (y[i] - y[i - 1]);
  });

  // The panels: curves with their colours, and the sentence of the caption under its name in the ledger.
  const PANELS = [
    { panel: "a", title: "(a) lengths", curves: [["class means", "feature"], ["classifiers", "classifier"]],
      printed: "We observe that the logarithm of both terms decrease at rate O(1/(log(t)))." },
    { panel: "b", title: "(b) spread", curves: [["features", "feature"]],
      printed: "Logarithm of the variation converge approximately at rate O(1/log(t))." },
    { panel: "c", title: "(c) angles", curves: [["class means", "feature"], ["classifiers", "classifier"]],
      printed: "Logarithm of both terms converge approximately at rate O(1/log(t))." },
    { panel: "d", title: "(d) duality", curves: [["classifiers", "classifier"]],
      printed: "Logarithm of the quantity converge approximately at rate O(1/log(t)) to the point of self-duality." },
  ];
  const SETTING = "We set N = 10, K = 5, d = 20 and use gradient descent with learning rate 5 to run 10⁵ epochs.";
  const WORDING = "logarithm of the two variations of norms (in the first aspect) decrease approximately at rate O(1/(log(t)))";
  const TICKS = { 2: "10²", 4: "10⁴", 20: "10²⁰", 200: "10²⁰⁰", 2000: "10²⁰⁰⁰" }, DASHES = { b: [9, 4], c: [2, 3], d: [9, 4] };
  const LN10 = Math.log(10);

  live.define("figure_2", (stage) => {
    let worker = null, waiting = null, result = null, recorded = null, rate, means, button;
    const range = [0.01, 1], exponent = [0, 2.5];
    const program = URL.createObjectURL(new Blob([`(${work})((${ncpaperModel})())`], { type: "text/javascript" }));

    stage.ask("Do the measures of Figure 2 fall like 1/log t within its 10⁵ steps?");
    const n = stage.choice({ name: "n", label: "N = 10 counts", value: 10, change: later,
      options: { 10: "samples of each class", 2: "samples of all classes" } });
    const loss = stage.choice({ name: "loss", label: "loss", value: "mean", change: later, options: { mean: "mean", sum: "sum" } });
    const reading = stage.choice({ name: "classifiers", label: "classifiers", value: "centred", change: draw,
      options: { centred: "centred", printed: "uncentred" } });
    const scale = stage.slider({ name: "scale", label: "scale of the initialisation", value: 0.3, change: later,
      values: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1] });
    const seed = stage.slider({ name: "seed", label: "seed", value: 0, change: later, values: Array.from({ length: 24 }, (_, i) => i) });
    seed.box.style.width = "8rem";
    stage.more(() => {
      rate = stage.slider({ name: "rate", label: "learning rate", value: 5, change: later, values: [0.5, 1, 2, 5, 10, 20, 50] });
      means = stage.choice({ name: "means", label: "class means in (c)", value: "centred", change: draw,
        options: { centred: "centred", printed: "uncentred" } });
    });
    const bar = live.element("progress", { id: `${stage.figure.id}-progress`, max: last, value: 0 });
    const done = live.element("span");
    const line = live.element("div", { class: "live-run" }, live.element("label", { for: bar.id }, "steps"), bar, done);
    stage.within(line, () => { button = stage.button({ label: "cancel", press: () => (worker ? cancel() : run()) }); });
    stage.panels.before(line);

    stage.row(4).classList.add("small", "live-four");
    const plots = PANELS.map(({ title, curves }) => stage.plot({
      title, height: 190, y: { label: "measure", log: true, range: () => range },
      x: { label: "step t (log log)", log: true, range: [LN10, 5 * LN10], splits: [LN10, 3 * LN10, 5 * LN10], format: (v) => live.power(Math.exp(v)) },
      series: [...curves.map(([label, color]) => ({ label, color })), { label: "slope of 1/log t", color: "neutral", dash: [5, 4] }],
    }));
    const notes = plots.map(({ room }) => room.appendChild(live.element("p", { class: "live-note" })));
    stage.row(1);
    const answers = live.element("tbody");
    stage.panel("What the paper says, and what this run shows").append(live.element("table", { class: "live-answers" },
      live.element("thead", {}, row("th", "printed", "this run, 10³ ≤ t ≤ 10⁵", "t → ∞")), answers),
      live.element("p", { class: "live-note" }, "In the rows (a) to (d) yes means that every slope is −0.8 or steeper. The last row takes the word logarithm literally. The last column supposes that the direction collapses."));
    const six = PANELS.flatMap(({ panel, curves }) => curves.map(([label, color]) => ({ label: `(${panel}) ${label}`, color, dash: DASHES[panel] })));
    const far = stage.plot({
      title: "Beyond the window: the exponent p where a measure falls like a power (log t)⁻ᵖ", height: 220,
      x: { label: "time t of the flow", log: true, range: [LN10, 5000], splits: Object.keys(TICKS).map((v) => v * LN10), format: (v) => TICKS[Math.round(v / LN10)] },
      y: { label: "exponent p", range: () => exponent, splits: [0, 0.5, 1, 1.5, 2, 2.5] },
      series: [...six.map((s) => ({ ...s, width: 3 })), ...six.map((s) => ({ ...s, width: 1 }))],
    });
    far.room.querySelector("[role=img]").setAttribute("aria-label", "Exponents p against the time of the flow: recorded until t = 10²⁰⁰⁰, and those of this run.");
    far.room.querySelectorAll(".live-legend > span").forEach((entry, i) => {
      if (i >= six.length) entry.remove();
      else if (six[i].dash === DASHES.c) entry.firstChild.style.borderTopStyle = "dotted";
    });
    far.room.append(live.element("p", { class: "live-note" }, "Thick: this run until step 10⁵ (vertical line). Thin: recorded, not computed here, ",
      live.element("a", { href: "#fig-figure-2-exponents" }, "the flow with n = 10 from scale 0.3"), " until t = e⁵⁰⁰⁰."));
    stage.root.append(stage.within(live.element("div", { class: "live-controls" }), () => {
      stage.share();
      const cite = stage.button({ label: "copy citation of this setting", press: () => {} });
      cite.classList.add("copy");
      cite.addEventListener("click", () => { cite.dataset.copy = citation(); }, { capture: true });
    }));
    line.after(stage.said);

    function row(kind, ...cells) {
      return live.element("tr", {}, ...cells.map((c) => live.element(kind, kind === "th" ? { scope: "col" } : {}, ...[c].flat())));
    }
    const answer = (yes, why) => [live.element("strong", {}, yes ? "yes" : "no"), `: ${why}`];
    const quote = (id, text) => [live.element("a", { href: `#claim-${id}` }, id), ` “${text}”`];
    const step = () => (loss.value === "sum" ? rate.value : rate.value / (K * n.value));
    const named = (name) => (reading.value === "centred" ? `centred_${name}` : name);
    const names = () => [["class_mean_norms", named("classifier_norms")], ["within_class_variation"],
      [means.value === "centred" ? "centred_class_mean_cosines" : "class_mean_cosines", named("classifier_cosines")], [named("self_duality_distance")]];
    const slow = (name) => /^(within|classifier|self)/.test(name);  // of the order (log t)^−½ in the limit, the others 1/log t

    function citation() {
      const setting = `n = ${n.value}, ${loss.value} of the losses, scale ${scale.value}, learning rate ${rate.value}, seed ${seed.value}`;
      return `${recorded?.citation ?? "Figure 2 at full length, live."} Setting: ${setting}; ${reading.value === "centred" ? "centred" : "uncentred"} classifiers. ${stage.address().href}`;
    }

    function progress(t) {
      bar.value = t;
      done.textContent = `${t.toLocaleString("en")} of 100,000`;
    }
    function idle() {
      worker?.terminate();
      worker = null;
      button.textContent = "run again";
      stage.root.removeAttribute("aria-busy");
    }
    function later() {
      clearTimeout(waiting);
      waiting = setTimeout(run, 250);
    }
    function cancel() {
      idle();
      result = null;
      draw();
      stage.say(`The run was cancelled after ${bar.value.toLocaleString("en")} steps.`);
    }
    function run() {
      idle();
      clearTimeout(waiting);
      waiting = null;
      progress(0);
      button.textContent = "cancel";
      stage.root.setAttribute("aria-busy", "true");
      stage.say("The 100,000 steps are being computed.");
      worker = new Worker(program);
      worker.onerror = (event) => { idle(); stage.say(`The run failed: ${event.message}`); };
      const order = { sizes: { K, d, n: Number(n.value) }, scale: scale.value, seed: seed.value, step: step(), at };
      const summed = loss.value === "sum";
      worker.onmessage = ({ data }) => {
        if (data.t) return progress(data.t);
        idle();
        result = { ...order, ...data, summed };
        draw();
        if (result.overflow) overflow(result);
      };
      worker.postMessage(order);
    }
    function overflow({ overflow, step, sizes }) {
      stage.say(`The run overflows at step ${overflow}, so it has no slopes. Near the origin a step of size η = ${live.number(step, 2)} on the sum `
        + `multiplies the leading part of the point by 1 + η√n = ${live.number(1 + step * Math.sqrt(sizes.n))}.`);
    }

    function draw() {
      const there = result?.rows, lists = names(), X = lists.map((list) => list.map((name) => (there ? there.map((r) => r[name]) : at.map(() => null))));
      const slopes = there && X.map((curves) => curves.map(slope));
      if (there) {
        const positive = X.flat(2).filter((x) => x > 0);
        range[0] = 0.85 * Math.min(...positive);
        range[1] = 1.15 * Math.max(...positive);
      }
      plots.forEach((plot, i) => {
        const guide = at.map((t) => (there && t >= TAIL ? (X[i][0][at.indexOf(TAIL)] * Math.log(TAIL)) / Math.log(t) : null));
        plot.set([at.map(Math.log), ...X[i], guide]);
        notes[i].textContent = there ? `slope: ${slopes[i].map((s, j) => `${PANELS[i].curves[j][0]} ${signed(s.value)} (${fixed(s.spread)})`).join(", ")}` : "";
      });
      drawFar(there && X.flat(), lists.flat());
      if (there) answers.replaceChildren(...judged(X, slopes, lists));
      else answers.replaceChildren(...(result ? [row("td", quote("fig-2-settings", SETTING), answer(false, `it overflows at step ${result.overflow}`), "—")] : []));
    }

    // This run's exponents up to its last step, thick, before those of the recorded flow, thin.
    function drawFar(X, list) {
      const own = X ? X.map((x) => exponents(x, result.step)) : list.map(() => [[], []]);
      const past = list.map((name) => (recorded ? [recorded.log_t, recorded.exponents[name]] : [[], []]));
      const xs = [...new Set([...own[0][0], ...past[0][0]])].sort((a, b) => a - b);
      exponent[0] = Math.min(0, ...own.flatMap(([, p]) => p));
      exponent[1] = Math.max(2.5, ...own.flatMap(([, p]) => p));
      far.set([xs, ...own.map((line) => between(xs, line)), ...past.map((line) => between(xs, line))]);
      far.mark(Math.log(last * (result?.step ?? step())));
    }

    // The rows of the table: for each sentence the answer with the number that decides.
    function judged(X, slopes, lists) {
      const { margin, bound } = result, share = live.percent(margin / bound);
      const holds = PANELS.map((_, i) => Math.max(...slopes[i].map((s) => s.value)) <= LIKE);
      const grown = X.slice(1).flatMap((curves, i) => curves.map((x) => ({ panel: PANELS[i + 1].panel, from: Math.abs(Math.log(x[at.indexOf(TAIL)])), to: Math.abs(Math.log(x.at(-1))) })))
        .sort((a, b) => b.to - b.from - (a.to - a.from))[0];
      const panels = (yes) => PANELS.filter((_, i) => holds[i] === yes).map(({ panel }) => `(${panel})`);
      const joined = (list, one, more) => `${list.join(", ").replace(/, (?=\S+$)/, " and ")} ${list.length > 1 ? more : one}`;
      const fall = "like 1/log t or faster", all = panels(true).length;
      const verdict = all === 0 ? `No panel falls ${fall}.` : all === 4 ? `All four panels fall ${fall}.`
        : `${joined(panels(true), "falls", "fall")} ${fall}; ${joined(panels(false), "does", "do")} not.`;
      stage.say(`The 100,000 steps took ${live.number(result.seconds, 2)} s. The margin is ${live.number(margin)}, ${share} of its bound. ${verdict}${result.summed ? " Rounding decides whether a run with the sum survives, so another browser may show another one." : ""}`);
      return [
        row("td", quote("fig-2-settings", SETTING), answer(margin > 10, `it ends with the margin ${live.number(margin)}, ${share} of its bound`), "—"),
        ...PANELS.map(({ panel, printed, curves }, i) => {
          const late = curves.filter((_, j) => slow(lists[i][j])).map(([label]) => label);
          return row("td", quote(`fig-2${panel}`, `(${panel}) ${printed}`),
            answer(holds[i], `the ${slopes[i].length > 1 ? "flattest slope" : "slope"} is ${signed(Math.max(...slopes[i].map((s) => s.value)))}`),
            answer(late.length === 0, late.length === 0 ? "the slope is −1" : `the slope of the ${late.join(" and ")} is −½`));
        }),
        row("td", quote("fig-2-rates-wording", WORDING),
          answer(grown.to <= grown.from, `|log X| goes from ${fixed(grown.from)} to ${fixed(grown.to)} in (${grown.panel})`), answer(false, "|log X| grows without bound")),
      ];
    }

    const script = live.element("script", { src: source.replace("figure_2.js", "figure_2_recorded.js") });
    script.addEventListener("load", () => { recorded = live.recorded; draw(); });
    document.head.append(script);
    run();
    return { values: () => ({ running: worker !== null || waiting !== null, ...result }) };
  });
})();
