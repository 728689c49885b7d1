keepDrawn((make) => {
  Chart.defaults.plugins.legend.labels.usePointStyle = true;
  data.forEach((target, at) => {
    const dots = Object.keys(marks).map((name) => ({ label: name, data: target.sides[name].map((x, run) => ({ x, y: target.runs[run] })), backgroundColor: css(name), borderColor: css(name), pointStyle: marks[name], pointRadius: 6, borderWidth: 2 }));
    const error = { type: "linear", grace: "8%", ticks: { callback: short }, title: { display: true, text: "test " + target.measure + " of " + target.name } };
    const options = { scales: { x: error, y: { type: "category", labels: target.runs, offset: true, ticks: { autoSkip: false } } } };
    make("errors-" + at, { type: "scatter", data: { datasets: dots }, options });
  });
});
