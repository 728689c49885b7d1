keepDrawn((make) => {
  data.forEach((target, at) => {
    const bars = ["teacher", "alone", "distilled", "shipped"].map((name) => ({ label: name, data: target.sides[name], backgroundColor: css(name) }));
    const options = { indexAxis: "y", scales: { x: { beginAtZero: true, ticks: { callback: short }, title: { display: true, text: "test " + target.measure + " of " + target.name } }, y: { ticks: { autoSkip: false } } } };
    make("errors-" + at, { type: "bar", data: { labels: target.runs, datasets: bars }, options });
  });
});
