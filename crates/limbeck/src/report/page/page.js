(() => {
  const names = { teacher: "teacher", baseline: "baseline", distilled: "distilled", shipped: "shipped" };
  const dashes = { teacher: [6, 4], baseline: [2, 3], distilled: [] };

  keepDrawn((make) => {
    Chart.defaults.plugins.legend.labels.usePointStyle = true;
    Chart.defaults.plugins.legend.labels.boxHeight = 7;
    const axis = (title, more) => ({ title: { display: true, text: title }, ticks: { callback: short, maxRotation: 45 }, ...more });
    const log = (title) => ({ type: "logarithmic", title: { display: true, text: title }, ticks: { maxTicksLimit: 6, maxRotation: 0, autoSkip: true, callback: (x) => (Number.isInteger(Math.log10(x)) || x === 0 ? (Number.isInteger(x) ? count(x) : short(x)) : "") } });

    // Ticks at 1 and 3 of each power of ten, so that labels do not overlap.
    const powers = (title) => ({ ...axis(title), type: "logarithmic", ticks: { callback: (x) => ([1, 3].includes(Math.round(x / 10 ** Math.floor(Math.log10(x) + 1e-9))) ? short(x) : "") } });
    // Legend marks wide enough to show dashes.
    const dashed = { plugins: { legend: { labels: { pointStyleWidth: 30 } } }, interaction: { mode: "nearest", axis: "x", intersect: false } };
    const points = (list) => list.map(([x, y]) => ({ x, y }));
    const all = [...data.scatter.teacher, ...data.scatter.shipped].flat().filter((x) => x !== null);
    const ends = all.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
    make("scatter", {
      type: "scatter",
      data: {
        datasets: [
          { label: "truth", type: "line", data: ends.map((x) => ({ x, y: x })), borderColor: css("soft"), borderWidth: 1.5, pointRadius: 0, pointStyle: "line" },
          { label: "shipped student", data: points(data.scatter.shipped), backgroundColor: css("shipped") + "bb", pointRadius: 2.2 },
          { label: "teacher", data: points(data.scatter.teacher), backgroundColor: css("teacher") + "bb", pointRadius: 2.2, pointStyle: "triangle", hidden: false },
        ],
      },
      options: { scales: { x: axis("true " + data.unit, { type: "linear" }), y: axis("predicted") } },
    });

    const line = (side, values) => ({ label: names[side.name], data: values, borderColor: css(side.name), backgroundColor: css(side.name), borderDash: dashes[side.name], borderWidth: 2, pointRadius: 3.5, pointStyle: marks[side.name] });
    const parts = (id, key, title) =>
      make(id, { type: "line", data: { labels: data.parts.labels.map(short), datasets: data.parts.sides.map((side) => line(side, side[key])) }, options: { interaction: { mode: "index", intersect: false }, scales: { x: { title: { display: true, text: data.unit + ", mean of each group" } }, y: axis(title) } } });
    parts("parts-error", "error", data.measure);
    parts("parts-bias", "bias", "prediction minus true value");

    data.columns.forEach((column, at) =>
      make("column-" + at, { type: "line", data: { labels: column.labels, datasets: column.sides.map((side) => ({ ...line(side, side.error), showLine: false, pointRadius: 6 })) }, options: { scales: { x: { offset: true, ticks: { maxRotation: 60 } }, y: axis(data.measure, { grace: "8%" }) } } }));

    data.timelines.forEach((series, at) => {
      const side = (label, key, color, dash) => ({ label, data: series[key], borderColor: css(color), backgroundColor: css(color), borderDash: dash, borderWidth: key === "truth" ? 1.5 : 2, pointRadius: 0, pointStyle: "line" });
      const datasets = [side("true value", "truth", "soft", []), side("teacher", "teacher", "teacher", dashes.teacher), side("shipped student", "shipped", "shipped", [])];
      make("timeline-" + at, { type: "line", data: { labels: series.labels, datasets }, options: { ...dashed, interaction: { mode: "index", intersect: false }, scales: { x: { ticks: { maxTicksLimit: 8, maxRotation: 30 } }, y: axis(data.unit) } } });
    });

    const curves = (id, key, title) =>
      make(id, {
        type: "line",
        data: { datasets: data.curves.filter((curve) => curve[key].length > 0).map((curve) => ({ label: names[curve.name], data: points(curve[key]), borderColor: css(curve.name), backgroundColor: css(curve.name), borderDash: dashes[curve.name], borderWidth: 2, pointRadius: 0, pointStyle: "line" })) },
        options: { ...dashed, scales: { x: { type: "linear", ...axis("step") }, y: axis(title) } },
      });
    curves("fidelity", "fidelity", "RMSE to the teacher");
    curves("valid", "valid", "error");

    // The parts of each loss: color by side, dashes by part.
    const terms = [["hard", "against targets", []], ["soft", "against the teacher", [6, 4]], ["slope", "slopes", [2, 3]]];
    const part = (side, label, values, dash) => ({ label, data: points(values), borderColor: css(side), backgroundColor: css(side), borderDash: dash, borderWidth: 2, pointRadius: 0, pointStyle: "line" });
    const stepped = (id, title, datasets) => make(id, { type: "line", data: { datasets }, options: { ...dashed, scales: { x: { type: "linear", ...axis("step") }, y: powers(title) } } });
    stepped("terms", "loss", data.curves.flatMap((curve) => terms.filter(([key]) => curve[key].length > 0).map(([key, words, dash]) => part(curve.name, `${names[curve.name]}, ${words}`, curve[key], dash))));
    const layerDashes = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
    stepped("layers", "distance", data.curves.flatMap((curve) => curve.layers.map((values, layer) => part(curve.name, `layer ${layer + 1}`, values, layerDashes[layer % 4]))));

    const color = (name) => css(name === "teacher" || name === "shipped" ? name : "baseline");
    const shapes = ["circle", "triangle", "rect", "rectRot", "star", "crossRot"];
    const cost = (id, key, title) =>
      make(id, {
        type: "scatter",
        data: { datasets: data.sizes.filter((point) => point[key]).map((point, at) => ({ label: point.name, data: [{ x: point[key], y: point.error }], backgroundColor: color(point.name), borderColor: color(point.name), pointStyle: shapes[at % shapes.length], pointRadius: 6 })) },
        options: { scales: { x: log(title), y: axis("test " + data.measure, { grace: "8%" }) } },
      });
    cost("bytes", "bytes", "bytes");
    cost("time", "us", "µs per row");
  });

  // A student that is no network was not trained in steps.
  if (data.curves.length === 0) ["fidelity", "valid", "terms"].forEach((id) => (document.getElementById(id).closest("figure").hidden = true));

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.previousElementSibling.textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
      } catch {
        // Pages from a disk may not write to the clipboard: the text is selected instead.
        getSelection().selectAllChildren(button.previousElementSibling);
      }
    });
  }
})();
