// What the live figures share: a stage in the place of the still picture, controls whose state stands in the address of
// the page, a player, plots, and drawings. A program calls live.define(name, (stage) => { … return { values } });
// `values()` gives what it shows as numbers, for whoever wants to check them.
"use strict";
window.live = (() => {
  const programs = {}, stages = {};
  const SVG = "http://www.w3.org/2000/svg";

  // An element with attributes and children; `svg:` before the name makes an element of a drawing.
  function element(name, attributes = {}, ...children) {
    const made = name.startsWith("svg:") ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // A colour of the figures by its role (feature, classifier, printed, corrected, bound, neutral, reference, grid, text).
  function color(role) {
    const name = role === "text" ? "--pst-color-text-base" : `--figure-${role}`;
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || role;
  }

  // The colours of the classes in their order, as in ncpaper.style.
  const classes = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"];

  // Numbers as they are read: 10⁻³ for a power of ten, a number to some significant digits, a share in percent.
  const raised = (n) => String(n).replace("-", "⁻").replace(/\d/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]);
  function power(x) {
    const n = Math.round(Math.log10(x));
    return n === 0 ? "1" : n === 1 ? "10" : `10${raised(n)}`;
  }
  function number(x, digits = 3) {
    if (!Number.isFinite(x)) return "undefined";
    const [coefficient, n] = x.toExponential(digits - 1).split("e").map(Number);
    const far = x !== 0 && (n < -3 || n > 5);
    const text = far ? `${coefficient.toFixed(digits - 1)}·10${raised(n)}` : x.toFixed(x === 0 ? 0 : Math.max(0, digits - 1 - n));
    return text.replace("-", "−");
  }
  const percent = (x, digits = 3) => `${number(100 * x, digits)} %`;

  // A number beside an axis; a large one as a power of ten, so that it has room.
  function tick(v) {
    if (v === null || Math.abs(v) < 1e4) return v === null ? null : String(+v.toPrecision(8)).replace("-", "−");
    const [coefficient, n] = v.toExponential(1).split("e").map(Number);
    return `${coefficient === 1 ? "" : `${coefficient}·`}10${raised(n)}`.replace("-", "−");
  }

  // Where a logarithmic axis has labels: powers of ten, as many as `room` holds; other numbers where it spans no decade.
  function decades(least, most, room) {
    const first = Math.ceil(Math.log10(least) - 1e-9), last = Math.floor(Math.log10(most) + 1e-9);
    if (last - first < 1) return [1, 2, 3, 5, 10, 20, 30, 50].map((v) => v * 10 ** (first - 1)).filter((v) => v >= least && v <= most);
    const every = Math.ceil((last - first) / Math.max(1, Math.floor(room)));
    return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, i) => 10 ** (first + i * every));
  }

  class Stage {
    constructor(figure, name) {
      Object.assign(this, { figure, name, settings: {}, complaints: [] });
      this.root = element("div", { class: "live-stage" });
      this.controls = element("div", { class: "live-controls", role: "group", "aria-label": "Settings of the figure" });
      this.said = element("p", { class: "live-said", role: "status" });
      this.root.append(this.controls, this.said);
      this.row();
      const query = new URLSearchParams(location.search);
      this.given = query.get("live") === name ? query : new URLSearchParams();
      this.plots = [];
      new MutationObserver(() => this.plots.forEach((p) => p.redraw(false)))
        .observe(document.documentElement, { attributeFilter: ["data-theme"] });
    }

    // The value in the address for a control, one of `values`, or else `value`; what is not understood is said.
    start(name, values, value) {
      if (!this.given.has(name)) return value;
      const asked = values.find((v) => String(v) === this.given.get(name));
      if (asked === undefined) {
        const allowed = values.length > 12 ? `${values[0]} to ${values.at(-1)}` : values.join(", ");
        this.complaints.push(`${name}=${this.given.get(name)} in the address is not one of ${allowed}; ${value} is used.`);
      }
      return asked ?? value;
    }

    // The same for a whole number from `least` to `most`.
    whole(name, least, most, value) {
      const given = this.given.get(name), asked = Number(given);
      if (given === null || (/^\d+$/.test(given) && asked >= least && asked <= most)) return given === null ? value : asked;
      this.complaints.push(`${name}=${given} in the address is no whole number from ${least} to ${most}; ${value} is used.`);
      return value;
    }

    // The address of the page with the present settings.
    address() {
      const address = new URL(location);
      address.search = new URLSearchParams({ live: this.name, ...this.settings });
      address.hash = this.figure.id;
      return address;
    }

    // Writes the settings into the address, a little later: browsers refuse to do it for every move of a slider.
    remember() {
      clearTimeout(this.later);
      this.later = setTimeout(() => history.replaceState(null, "", this.address()), 300);
    }

    setting(name, value, input, change) {
      this.settings[name] = value;
      return {
        input,
        get value() { return value; },
        set: (next) => {
          this.settings[name] = value = next;
          this.complaints = [];  // what was said of the address no longer concerns the reader
          this.remember();
          change?.(value);
        },
      };
    }

    // Puts the controls that `build` makes into `box`.
    within(box, build) {
      const before = this.controls;
      this.controls = box;
      build();
      this.controls = before;
      return box;
    }

    // Controls behind a line that unfolds; unfolded at once where the address sets one of them.
    more(build, label = "more settings") {
      const known = new Set(Object.keys(this.settings));
      const box = this.within(element("div", { class: "live-controls" }), build);
      const made = element("details", { class: "live-more" }, element("summary", {}, label), box);
      made.open = Object.keys(this.settings).some((name) => !known.has(name) && this.given.has(name));
      this.controls.after(made);
      return made;
    }

    // A control under its name: the label above, what it is set to at its right.
    control(kind, name, label, input, ...shown) {
      input.id = `live-${this.figure.id}-${name}`;
      const made = element("div", { class: kind }, element("label", { for: input.id }, label), ...shown, input);
      this.controls.append(made);
      return made;
    }

    // A slider over the list `values`.
    slider({ name, label, values, value, format = String, change }) {
      value = this.start(name, values, value);
      const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1, "aria-valuetext": format(value) });
      input.value = values.indexOf(value);
      const shown = element("output", { "aria-live": "off" }, format(value));  // the slider itself says its value
      const box = this.control("live-slider", name, label, input, shown);
      const control = this.setting(name, value, input, change);
      const show = () => { shown.textContent = format(control.value); input.setAttribute("aria-valuetext", format(control.value)); };
      input.addEventListener("input", () => { control.set(values[input.value]); show(); });
      return Object.assign(control, { box, show: (next) => { input.value = values.indexOf(next); control.set(next); show(); } });
    }

    // A menu; `options` maps values to what is read.
    choice({ name, label, options, value, change }) {
      value = this.start(name, Object.keys(options), String(value));
      const input = element("select", {}, ...Object.entries(options).map(([v, text]) => element("option", { value: v }, text)));
      input.value = value;
      const box = this.control("live-choice", name, label, input);
      const control = this.setting(name, value, input, change);
      input.addEventListener("change", () => control.set(input.value));
      return Object.assign(control, { box });
    }

    button({ label, press }) {
      const made = element("button", { type: "button", class: "live-button" }, label);
      made.addEventListener("click", () => press(made));
      this.controls.append(made);
      return made;
    }

    // A button that copies the address of the present settings (citing.js does the copying).
    share() {
      const made = this.button({ label: "copy link to this setting", press: () => {} });
      made.classList.add("copy");
      made.addEventListener("click", () => { made.dataset.copy = this.address().href; }, { capture: true });
      return made;
    }

    // The question that the figure answers, above everything.
    ask(question) { this.root.prepend(element("p", { class: "live-question" }, question)); }

    // The sentence below the figure: at once, but not again within a second; what comes between waits for its end.
    say(text) {
      this.text = [...this.complaints, text].join(" ");
      if (!this.waiting) this.utter();
    }
    utter() {
      this.waiting = undefined;
      if (this.said.textContent === this.text) return;
      this.said.textContent = this.text;
      this.waiting = setTimeout(() => this.utter(), 1000);
    }

    // Whether the reader prefers reduced motion.
    get calm() { return matchMedia("(prefers-reduced-motion: reduce)").matches; }

    // A button and a slider that move through a recording. `restart(times)` tells the moments of its frames, increasing
    // numbers on the clock of the play, which runs from the first to the last in `seconds`; show(frame, playing) draws a
    // frame. The clock stands still while the figure is out of view. With reduced motion it goes in sixteen jumps.
    player({ label, format = String, show, seconds = 10 }) {
      const stage = this, box = element("div", { class: "live-player" });
      const input = element("input", { type: "range", min: 0, step: 1, value: 0 });
      const shown = element("output", { "aria-live": "off" });
      let times = [0], at = 0, clock = 0, playing = false, before = null, seen = true, button;
      function go(frame) {
        at = Math.min(Math.max(frame, 0), times.length - 1);
        input.value = at;
        shown.textContent = format(at);
        input.setAttribute("aria-valuetext", format(at));
        show(at, playing);
      }
      function press(wanted) {
        if (playing === wanted) return;
        playing = wanted;
        button.textContent = playing ? "pause" : "play";
        stage.said.setAttribute("aria-live", playing ? "off" : "polite");  // read out when it stops
        go(playing && at === times.length - 1 ? 0 : at);
        [before, clock] = [null, times[at]];
        if (playing) requestAnimationFrame(tick);
      }
      function tick(now) {
        if (!playing) return;
        if (!seen || before === null) before = now;
        const passed = (now - before) / 1000, jump = seconds / 16;
        if (passed > 0 && (!stage.calm || passed >= jump)) {
          before = now;
          clock += Math.min(passed, stage.calm ? jump : 0.1) / seconds * (times.at(-1) - times[0]);
          const next = times.findIndex((t) => t > clock + 1e-9);
          go(next < 0 ? times.length - 1 : next - 1);
        }
        if (at === times.length - 1) press(false);
        else requestAnimationFrame(tick);
      }
      this.within(box, () => {
        button = this.button({ label: "play", press: () => press(!playing) });
        this.control("live-slider", "frame", label, input, shown);
      });
      this.controls.append(box);
      input.addEventListener("input", () => { const asked = Number(input.value); press(false); go(asked); });
      new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; }).observe(this.root);
      return {
        box, button, input,
        get frame() { return at; },
        get playing() { return playing; },
        seek: (frame) => { press(false); go(frame); },
        restart: (moments, frame = 0) => { press(false); times = moments; input.max = times.length - 1; go(frame); },
      };
    }

    // A new row for the panels to come, `columns` of them side by side where there is room.
    row(columns = 3) {
      this.panels = element("div", { class: "live-panels" });
      this.panels.style.setProperty("--columns", columns);
      this.said.before(this.panels);
      return this.panels;
    }

    // A panel with a heading and room below it.
    panel(title, kind = "") {
      const made = element("div", { class: `live-panel ${kind}` }, element("p", { class: "live-title" }, title));
      this.panels.append(made);
      return made;
    }

    // A legend of `entries` {label, color, dash}.
    legend(entries) {
      return element("p", { class: "live-legend" }, ...entries.map((s) => {
        const key = element("span", { class: "live-key" });
        key.style.setProperty("--key", s.color.startsWith("#") ? s.color : s.color === "text" ? "currentColor" : `var(--figure-${s.color})`);
        if (s.dash) key.classList.add("dashed");
        return element("span", {}, key, s.label);
      }));
    }

    // A plot in a panel of its own. `x` and `y` are {label, log, range, splits, format}, `series` lists {label, color, dash,
    // width}. set([xs, ys, …]) shows data: what is no number, or not positive on a logarithmic axis, is left out; mark(x)
    // moves a line to x; show(i, visible) shows a curve or not; pick(x) is called where the reader points.
    plot({ title, x, y, series, height = 200, pick }) {
      const room = this.panel(title, "live-plot");
      const box = element("div", { class: "live-chart", role: "img", "aria-label": `${title}: against ${x.label}, ${series.map((s) => s.label).join(" and ")}` });
      room.append(box);
      if (series.length > 1) room.append(this.legend(series));
      const paint = (c, faint = "") => () => (c.startsWith("#") ? c : color(c)) + faint;
      const face = getComputedStyle(this.figure).fontFamily;
      const scale = (axis, across) => ({
        time: false,
        ...(axis.log ? { distr: 3 } : {}),
        range: axis.range ?? (across || axis.log ? (_, least, most) => ends(axis, across, least, most) : undefined),
      });
      const ends = (axis, across, least, most) => {
        if (least === null) return [1, 10];
        if (across) return least < most ? [least, most] : [least, least * 10 || 1];
        return [10 ** Math.floor(Math.log10(least)), 10 ** Math.ceil(Math.log10(most) + 1e-9)];
      };
      const axis = (a, across) => ({
        label: a.label, labelSize: 16, labelGap: 0, labelFont: `12px ${face}`, font: `11px ${face}`, gap: 3, size: across ? 22 : 38,
        stroke: paint("text"), grid: { stroke: paint("grid", "55"), width: 1 }, ticks: { stroke: paint("grid"), width: 1, size: 4 },
        ...(a.log ? {
          splits: (u, _, least, most) => decades(least, most, (across ? u.width / 40 : u.height / 30)),
          filter: (_, splits) => splits,
          values: (_, splits) => splits.map((v) => (Math.abs(Math.log10(v) % 1) < 1e-9 || Math.abs(Math.log10(v) % 1) > 1 - 1e-9 ? power(v) : number(v, 1))),
        } : { values: (_, splits) => splits.map(tick) }),
        ...(a.splits ? { splits: () => a.splits } : {}),
        ...(a.format ? { values: (_, splits) => splits.map((v) => (v === null ? null : a.format(v))) } : {}),
      });
      const line = element("div", { class: "live-mark", hidden: "" });
      let marked = null;
      const place = (u) => {
        line.hidden = marked === null;
        if (marked !== null) line.style.transform = `translateX(${u.valToPos(marked, "x")}px)`;
      };
      const chart = new uPlot({
        width: 320, height, legend: { show: false }, cursor: { show: false }, padding: [8, 12, 0, 0], hooks: { draw: [place] },
        scales: { x: scale(x, true), y: scale(y, false) }, axes: [axis(x, true), axis(y, false)],
        series: [{}, ...series.map((s) => ({ stroke: paint(s.color), width: s.width ?? 1.5, dash: s.dash, pxAlign: 0, points: { show: false } }))],
      }, [[], ...series.map(() => [])], box);
      chart.over.append(line);
      new ResizeObserver(() => { if (box.clientWidth) chart.setSize({ width: box.clientWidth, height }); }).observe(box);
      if (pick) {
        const point = (event) => { if (event.buttons & 1) pick(chart.posToVal(event.clientX - chart.over.getBoundingClientRect().left, "x")); };
        for (const name of ["pointerdown", "pointermove"]) chart.over.addEventListener(name, point);
        chart.over.classList.add("live-pick");
      }
      this.plots.push(chart);
      const drawable = (axis) => (v) => (v === null || !Number.isFinite(v) || (axis.log && v <= 0) ? null : v);
      return {
        set: ([xs, ...ys]) => chart.setData([xs, ...ys.map((list) => list.map(drawable(y)))]),
        mark: (value) => { marked = value; place(chart); },
        show: (i, visible) => chart.setSeries(i + 1, { show: visible }),
        chart, room,
      };
    }

    // A drawing in a panel of its own, with the origin in the middle and y pointing up; its frame is `size` wide.
    drawing({ title, size, alt }) {
      const room = this.panel(title, "live-drawing");
      const canvas = element("svg:svg", { viewBox: `${-size / 2} ${-size / 2} ${size} ${size}`, role: "img", "aria-label": alt });
      room.append(canvas);
      return canvas;
    }
  }

  function mount(figure, name) {
    const stage = new Stage(figure, name);
    const made = programs[name](stage);
    figure.prepend(stage.root);
    figure.dataset.live = "ready";
    stages[name] = { stage, ...made };
  }

  return { define: (name, program) => { programs[name] = program; }, mount, element, color, classes, number, percent, power, stages };
})();
