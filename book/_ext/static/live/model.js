// The mathematics of the live figures: model (4), gradient descent, margins and measures, as in the package ncpaper.
//
// Sizes are {K, d, n}, M = K n. W is a Float64Array of K rows of length d, H one of d rows of length M, class-major: sample
// m has class floor(m / n). One function holds everything, so that a worker can be made of its text.
"use strict";
function ncpaperModel() {
  // Numbers in [0, 1) from a 32-bit counter (splitmix32), the same in every browser and in the tests.
  function uniform(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return ((z ^ (z >>> 15)) >>> 0) / 4294967296;
    };
  }

  // Standard normal numbers, two from two (Box and Muller).
  function normal(seed) {
    const next = uniform(seed);
    let spare = null;
    return () => {
      if (spare !== null) { const value = spare; spare = null; return value; }
      const radius = Math.sqrt(-2 * Math.log(1 - next())), angle = 2 * Math.PI * next();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    };
  }

  // A normal initialisation of standard deviation `scale`: first the entries of W, then those of H.
  function initial({ K, d, n }, scale, seed) {
    const next = normal(seed);
    const W = Float64Array.from({ length: K * d }, () => scale * next());
    const H = Float64Array.from({ length: d * K * n }, () => scale * next());
    return { W, H };
  }

  const copy = ({ W, H }) => ({ W: W.slice(), H: H.slice() });

  // The logits Z = W H (K, M).
  function logits({ W, H }, { K, d, n }) {
    const M = K * n, Z = new Float64Array(K * M);
    for (let k = 0; k < K; k++) for (let a = 0; a < d; a++) {
      const w = W[k * d + a];
      for (let m = 0; m < M; m++) Z[k * M + m] += w * H[a * M + m];
    }
    return Z;
  }

  // The cross-entropy (4), a sum over the samples.
  function loss(point, sizes) {
    const { K, n } = sizes, M = K * n, Z = logits(point, sizes);
    let total = 0;
    for (let m = 0; m < M; m++) {
      const own = Math.floor(m / n), z = Z[own * M + m];
      let top = 0, sum = 0;
      for (let k = 0; k < K; k++) if (k !== own) top = Math.max(top, Z[k * M + m] - z);
      for (let k = 0; k < K; k++) if (k !== own) sum += Math.exp(Z[k * M + m] - z - top);
      total += top > 0 ? top + Math.log(Math.exp(-top) + sum) : Math.log1p(sum);
    }
    return total;
  }

  // A program that makes `steps` steps of gradient descent of size `step` on (4), in place; on the mean, step = rate / M.
  // Its text is written for the sizes, with a variable for each class, because a loop over the classes takes four times
  // as long; both loops over the samples run through memory in order, and no array is made within a step.
  function descent({ K, d, n }) {
    const M = K * n, all = (write, between = ";") => Array.from({ length: K }, (_, k) => write(k)).join(between);
    return new Function("G", "exp", "max", `return function advance({ W, H }, step, steps) {
      for (let s = 0; s < steps; s++) {
        for (let own = 0, m = 0; own < ${K}; own++) for (const end = m + ${n}; m < end; m++) {
          let ${all((k) => `z${k} = 0`, ",")};
          for (let a = 0, j = m; a < ${d}; a++, j += ${M}) { const h = H[j]; ${all((k) => `z${k} += W[a + ${k * d}] * h`)} }
          const top = max(${all((k) => `z${k}`, ",")});
          ${all((k) => `z${k} = exp(z${k} - top)`)};
          const share = step / (${all((k) => `z${k}`, "+")});
          ${all((k) => `G[m + ${k * M}] = share * z${k}`)};  // step · (P − Y), the true row minus the sum of the others
          G[own * ${M} + m] = 0;
          G[own * ${M} + m] = -(${all((k) => `G[m + ${k * M}]`, "+")});
        }
        for (let a = 0, row = 0; a < ${d}; a++, row += ${M}) {
          let ${all((k) => `sum${k} = 0`, ",")};
          const ${all((k) => `w${k} = W[a + ${k * d}]`, ",")};
          for (let m = 0; m < ${M}; m++) {
            const h = H[row + m], ${all((k) => `g${k} = G[m + ${k * M}]`, ",")};
            ${all((k) => `sum${k} += g${k} * h`)};
            H[row + m] = h - (${all((k) => `w${k} * g${k}`, "+")});
          }
          ${all((k) => `W[a + ${k * d}] = w${k} - sum${k}`)};
        }
      }
    };`)(new Float64Array(K * M), Math.exp, Math.max);
  }

  const squaredNorm = ({ W, H }) => W.reduce((s, x) => s + x * x, 0) + H.reduce((s, x) => s + x * x, 0);

  // The margin q_min of Definition 3.1, and the bound of Lemma 3.1.
  function margin(point, sizes) {
    const { K, n } = sizes, M = K * n, Z = logits(point, sizes);
    let least = Infinity;
    for (let m = 0; m < M; m++) {
      const own = Math.floor(m / n);
      for (let k = 0; k < K; k++) if (k !== own) least = Math.min(least, Z[own * M + m] - Z[k * M + m]);
    }
    return least;
  }
  const bound = (point, { K, n }) => squaredNorm(point) / (2 * (K - 1) * Math.sqrt(n));

  const rows = (V, count, length) => Array.from({ length: count }, (_, i) => Array.from(V.subarray(i * length, (i + 1) * length)));
  const norm = (v) => Math.sqrt(v.reduce((s, x) => s + x * x, 0));
  const mean = (list) => list.reduce((s, x) => s + x, 0) / list.length;
  const middle = (vectors) => vectors[0].map((_, a) => mean(vectors.map((v) => v[a])));
  const minus = (u, v) => u.map((x, a) => x - v[a]);
  const dot = (u, v) => u.reduce((s, x, a) => s + x * v[a], 0);

  // What is drawn and measured: classifiers, class means and samples as lists of vectors, and their means.
  function vectors({ W, H }, { K, d, n }) {
    const M = K * n;
    const samples = Array.from({ length: M }, (_, m) => Array.from({ length: d }, (_, a) => H[a * M + m]));
    const classifiers = rows(W, K, d);
    const means = Array.from({ length: K }, (_, k) => middle(samples.slice(k * n, (k + 1) * n)));
    return { classifiers, means, samples, globalMean: middle(samples), meanClassifier: middle(classifiers) };
  }

  const normVariation = (list) => {
    const norms = list.map(norm), average = mean(norms);
    return Math.sqrt(mean(norms.map((x) => (x - average) ** 2))) / average;
  };
  const cosineDeviation = (list) => {
    const K = list.length, found = [];
    for (let k = 0; k < K; k++) for (let j = 0; j < K; j++) if (j !== k) {
      found.push(Math.abs(dot(list[k], list[j]) / (norm(list[k]) * norm(list[j])) + 1 / (K - 1)));
    }
    return mean(found);
  };
  const directionDistance = (us, vs) => mean(us.map((u, k) => {
    const a = norm(u), b = norm(vs[k]);
    return norm(u.map((x, i) => x / a - vs[k][i] / b));
  }));

  // The measures of section 4 by the names of ncpaper.measures.SECTION_4.
  function measures(point, sizes) {
    const { classifiers, means, samples, globalMean, meanClassifier } = vectors(point, sizes), { n } = sizes;
    const centredMeans = means.map((v) => minus(v, globalMean));
    const centredClassifiers = classifiers.map((v) => minus(v, meanClassifier));
    const within = mean(samples.map((v, m) => norm(minus(v, means[Math.floor(m / n)]))));
    return {
      class_mean_norms: normVariation(centredMeans),
      centred_classifier_norms: normVariation(centredClassifiers),
      classifier_norms: normVariation(classifiers),
      within_class_variation: within / mean(samples.map((v) => norm(minus(v, globalMean)))),
      centred_class_mean_cosines: cosineDeviation(centredMeans),
      class_mean_cosines: cosineDeviation(means),
      centred_classifier_cosines: cosineDeviation(centredClassifiers),
      classifier_cosines: cosineDeviation(classifiers),
      centred_self_duality_distance: directionDistance(centredMeans, centredClassifiers),
      self_duality_distance: directionDistance(centredMeans, classifiers),
    };
  }

  // The imbalance Ξ = H Hᵀ − W̃ᵀ W̃ (d, d) with centred classifiers, which the gradient flow conserves, by rows.
  function imbalance(point, sizes) {
    const { classifiers, samples, meanClassifier } = vectors(point, sizes), { d } = sizes;
    const centred = classifiers.map((v) => minus(v, meanClassifier));
    return Array.from({ length: d }, (_, a) => Array.from({ length: d }, (_, b) =>
      samples.reduce((s, h) => s + h[a] * h[b], 0) - centred.reduce((s, w) => s + w[a] * w[b], 0)));
  }

  return { uniform, normal, initial, copy, logits, loss, descent, squaredNorm, margin, bound, vectors, measures, imbalance };
}
window.ncpaperModel = ncpaperModel;
