keepDrawn((make) => {
  Chart.defaults.plugins.legend.labels.usePointStyle = true;
  // Errors by run: a mark for each side on a line for each run.
  const byRun = (target) => {
    const dots = Object.keys(marks).map((name) => ({ label: name, data: target.sides[name].map((x, run) => ({ x, y: target.runs[run] })), backgroundColor: css(name), borderColor: css(name), pointStyle: marks[name], pointRadius: 6, borderWidth: 2 }));
    const error = { type: "linear", grace: "8%", ticks: { callback: short }, title: { display: true, text: "test " + target.measure + " of " + target.name } };
    const options = { scales: { x: error, y: { type: "category", labels: target.runs, offset: true, ticks: { autoSkip: false } } } };
    return { type: "scatter", data: { datasets: dots }, options };
  };
  // Errors by horizon: a line for each side, and for persistence.
  const byHorizon = (target) => {
    const points = (errors) => errors.map((y, run) => ({ x: target.horizons[run], y })).filter((point) => point.y !== null).sort((a, b) => a.x - b.x);
    const many = target.horizons.length > 12;
    const line = (label, errors, color, mark) => ({ label, data: points(errors), borderColor: color, backgroundColor: color, pointStyle: mark, pointRadius: many ? 2 : 6, borderWidth: 2, showLine: true, order: label === "shipped" ? -1 : 0 });
    const lines = Object.keys(marks).map((name) => line(name, target.sides[name], css(name), marks[name]));
    const naive = { ...line("persistence", target.persistence, css("ink"), "line"), borderDash: [4, 4] };
    const datasets = naive.data.length ? [...lines, naive] : lines;
    const x = { type: "linear", title: { display: true, text: "rows ahead" }, ticks: { precision: 0 } };
    const y = { type: "linear", grace: "8%", ticks: { callback: short }, title: { display: true, text: "test " + target.measure + " of " + target.name } };
    return { type: "scatter", data: { datasets }, options: { scales: { x, y } } };
  };
  data.forEach((target, at) => {
    const by = document.getElementById("errors-" + at).dataset.by;
    make("errors-" + at, by === "horizon" ? byHorizon(target) : byRun(target));
  });
});
