// What the live figures share: a stage in the place of the still picture, controls whose state stands in the address of
// the page, plots, and drawings. A program calls live.define(name, (stage) => { … return { values } }); `values()` gives
// what it shows as numbers, for whoever wants to check them.
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

  class Stage {
    constructor(figure, name) {
      Object.assign(this, { figure, name, settings: {}, complaints: [] });
      this.root = element("div", { class: "live-stage" });
      this.controls = element("div", { class: "live-controls", role: "group", "aria-label": "Settings of the figure" });
      this.panels = element("div", { class: "live-panels" });
      this.said = element("p", { class: "live-said", role: "status" });
      this.root.append(this.controls, this.panels, this.said);
      const query = new URLSearchParams(location.search);
      this.given = query.get("live") === name ? query : new URLSearchParams();
      this.plots = [];
      new MutationObserver(() => this.plots.forEach((p) => p.redraw()))
        .observe(document.documentElement, { attributeFilter: ["data-theme"] });
    }

    // The value in the address for a control, one of `values`, or else `value`; what is not understood is said.
    start(name, values, value) {
      if (!this.given.has(name)) return value;
      const asked = values.find((v) => String(v) === this.given.get(name));
      if (asked === undefined) {
        this.complaints.push(`${name}=${this.given.get(name)} in the address is not one of ${values.join(", ")}; ${value} is used.`);
      }
      return asked ?? value;
    }

    setting(name, value, input, change) {
      this.settings[name] = value;
      return {
        input,
        get value() { return value; },
        set: (next) => {
          this.settings[name] = value = next;
          const address = new URL(location);
          address.search = new URLSearchParams({ live: this.name, ...this.settings });
          address.hash = this.figure.id;
          history.replaceState(null, "", address);
          change?.(value);
        },
      };
    }

    // A slider over the list `values`.
    slider({ name, label, values, value, format = String, change }) {
      value = this.start(name, values, value);
      const input = element("input", { type: "range", min: 0, max: values.length - 1, step: 1, "aria-valuetext": format(value) });
      input.value = values.indexOf(value);
      const shown = element("output", {}, format(value));
      this.controls.append(element("label", { class: "live-slider" }, element("span", {}, label), input, shown));
      const control = this.setting(name, value, input, change);
      const show = () => { shown.textContent = format(control.value); input.setAttribute("aria-valuetext", format(control.value)); };
      input.addEventListener("input", () => { control.set(values[input.value]); show(); });
      return Object.assign(control, { show: (next) => { input.value = values.indexOf(next); control.set(next); show(); } });
    }

    // A menu; `options` maps values to what is read.
    choice({ name, label, options, value, change }) {
      value = this.start(name, Object.keys(options), String(value));
      const input = element("select", {}, ...Object.entries(options).map(([v, text]) => element("option", { value: v }, text)));
      input.value = value;
      this.controls.append(element("label", { class: "live-choice" }, element("span", {}, label), input));
      const control = this.setting(name, value, input, change);
      input.addEventListener("change", () => control.set(input.value));
      return control;
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
      const now = () => { 
        const address = new URL(location);
        address.search = new URLSearchParams({ live: this.name, ...this.settings });
        address.hash = this.figure.id;
        made.dataset.copy = address.href;
      };
      made.addEventListener("pointerdown", now);
      made.addEventListener("click", now, { capture: true });
      return made;
    }

    say(text) { this.said.textContent = [...this.complaints, text].join(" "); }

    // A panel with a heading and room below it.
    panel(title, kind = "") {
      const made = element("div", { class: `live-panel ${kind}` }, element("p", { class: "live-title" }, title));
      this.panels.append(made);
      return made;
    }

    // A plot in a panel of its own. `x` and `y` are {label, log, range}, `series` lists {label, color, dash, width}.
    // set([xs, ys, …]) shows data, null where there is none.
    plot({ title, x, y, series, height = 200 }) {
      const room = this.panel(title, "live-plot");
      const box = element("div", { role: "img", "aria-label": `${title}: ${y.label} against ${x.label}` });
      room.append(box);
      if (series.length > 1) {
        room.append(element("p", { class: "live-legend" }, ...series.map((s) => {
          const key = element("span", { class: "live-key" });
          key.style.setProperty("--key", s.color.startsWith("#") ? s.color : s.color === "text" ? "currentColor" : `var(--figure-${s.color})`);
          if (s.dash) key.classList.add("dashed");
          return element("span", {}, key, s.label);
        })));
      }
      const paint = (c) => () => (c.startsWith("#") ? c : color(c));
      const scale = (axis) => ({ time: false, ...(axis.log ? { distr: 3 } : {}), ...(axis.range ? { range: axis.range } : {}) });
      const axis = (a) => ({ label: a.label, labelSize: 18, labelFont: "12px sans-serif", font: "11px sans-serif", stroke: paint("text"),
        grid: { stroke: paint("grid"), width: 0.4 }, ticks: { stroke: paint("grid"), width: 0.6, size: 4 }, ...(a.splits ? { splits: () => a.splits } : {}),
        ...(a.format ? { values: (_, splits) => splits.map((v) => (v === null ? null : a.format(v))) } : {}) });
      const chart = new uPlot({
        width: 320, height, legend: { show: false }, cursor: { show: false }, padding: [8, 8, 0, 0],
        scales: { x: scale(x), y: scale(y) }, axes: [axis(x), { ...axis(y), size: 52 }],
        series: [{}, ...series.map((s) => ({ stroke: paint(s.color), width: s.width ?? 1.5, dash: s.dash, points: { show: false } }))],
      }, [[], ...series.map(() => [])], box);
      new ResizeObserver(() => { if (box.clientWidth) chart.setSize({ width: box.clientWidth, height }); }).observe(box);
      this.plots.push(chart);
      return { set: (data) => chart.setData(data), chart };
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

  return { define: (name, program) => { programs[name] = program; }, mount, element, color, classes, stages };
})();
