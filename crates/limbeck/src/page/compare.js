"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data-of-charts").textContent);
  const charts = [];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  // Drawn anew where the colors of the moment change.
  function draw() {
    charts.splice(0).forEach((chart) => chart.destroy());
    Chart.defaults.color = css("ink");
    Chart.defaults.borderColor = css("line");
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.animation = false;
    Chart.defaults.maintainAspectRatio = false;
    data.forEach((target, at) => {
      const bars = Object.entries(target.sides).map(([name, values]) => ({ label: name, data: values, backgroundColor: css(name) }));
      const options = { indexAxis: "y", scales: { x: { beginAtZero: true, title: { display: true, text: "test RMSE of " + target.name } }, y: { ticks: { autoSkip: false } } } };
      charts.push(new Chart(document.getElementById("errors-" + at), { type: "bar", data: { labels: target.runs, datasets: bars }, options }));
    });
  }
  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", draw);
  addEventListener("afterprint", draw);
})();
