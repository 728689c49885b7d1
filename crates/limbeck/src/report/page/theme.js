"use strict";
// What the charts of all pages share: data, colors of the moment, and drawing anew where these change.
const data = JSON.parse(document.getElementById("data-of-charts").textContent);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
// Numbers as in the text: measured ones with four significant digits, counts with their digits in groups of three.
const short = (x) => (typeof x === "number" ? Number(x.toPrecision(4)).toString() : x);
const count = (x) => x.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
// Each side has its mark, so that sides differ without color, too.
const marks = { teacher: "triangle", baseline: "circle", distilled: "rectRot", shipped: "star" };
function keepDrawn(draw) {
  const charts = [];
  const again = () => {
    charts.splice(0).forEach((chart) => chart.destroy());
    Object.assign(Chart.defaults, { color: css("ink"), borderColor: css("line"), animation: false, maintainAspectRatio: false });
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    draw((id, config) => {
      const place = document.getElementById(id);
      if (place) charts.push(new Chart(place, config));
    });
  };
  again();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("beforeprint", again);
  addEventListener("afterprint", again);
}
