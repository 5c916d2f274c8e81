// The plots, by uPlot. The table below them has the same numbers.
"use strict";

(async () => {
  const place = document.getElementById("plots");
  const response = await fetch(place.dataset.points, { headers: { Accept: "application/json" } });
  if (!response.ok) return;
  const points = await response.json();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const plots = [];

  const short = new Intl.NumberFormat(place.dataset.language, { notation: "compact", maximumFractionDigits: 1 });
  const days = new Intl.DateTimeFormat(place.dataset.language, { day: "numeric", month: "short" });
  const hours = new Intl.DateTimeFormat(place.dataset.language, { hour: "2-digit", minute: "2-digit" });
  const whole = new Intl.DateTimeFormat(place.dataset.language, { dateStyle: "short", timeStyle: "short" });
  const time = (seconds) => {
    const date = new Date(seconds * 1000);
    return date.getHours() || date.getMinutes() ? hours.format(date) : days.format(date);
  };

  const draw = () => {
    for (const plot of plots.splice(0)) plot.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const colours = { ends: ["--good", "--bad", "--warn"], others: ["--accent", "--warn"] };
    for (const figure of place.querySelectorAll("figure")) {
      const name = figure.dataset.plot;
      const inside = figure.querySelector(".plot");
      const stroke = (colours[name] || colours.others).map(colour);
      const axis = { stroke: colour("--weak"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
      const series = figure.dataset.series.split("|").map((label, number) => ({
        label,
        stroke: stroke[number],
        width: 2,
        dash: number ? [6, 3 * number] : undefined,
        points: { show: points.at.length < 3 },
        spanGaps: true,
        value: (_plot, value) => (value == null ? "–" : short.format(value)),
      }));
      plots.push(new uPlot({
        width: inside.clientWidth,
        height: inside.clientHeight - 40,
        axes: [
          { ...axis, values: (_plot, ticks) => ticks.map(time), space: 60 },
          { ...axis, values: (_plot, ticks) => ticks.map((value) => short.format(value)), size: 48 },
        ],
        scales: { y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] } },
        cursor: { drag: { x: false, y: false } },
        series: [{ label: place.dataset.time, value: (_plot, value) => (value == null ? "–" : whole.format(new Date(value * 1000))) }, ...series],
      }, [points.at, ...points[name]], inside));
    }
  };

  draw();
  dark.addEventListener("change", draw);
  let wide = place.clientWidth;
  new ResizeObserver(() => {
    if (place.clientWidth !== wide) {
      wide = place.clientWidth;
      draw();
    }
  }).observe(place);
})();
