"use strict";
const { themes, figures } = JSON.parse(document.getElementById("drawn").textContent);
const canvases = [...document.querySelectorAll("[data-figure]")];
const dark = matchMedia("(prefers-color-scheme: dark)");
const printed = matchMedia("print");
const PIXELS_A_COLUMN = 96;
const PRINTED_PIXELS = { half: 310, whole: 660 };

const layoutOf = (canvas, printing) => {
  const { layout } = figures[canvas.dataset.figure];
  const least = PIXELS_A_COLUMN * Number(canvas.dataset.columns || 0);
  const isAlone = canvas.closest(".plots").children.length === 1;
  const onPaper = isAlone ? PRINTED_PIXELS.whole : PRINTED_PIXELS.half;
  return {
    ...layout,
    template: dark.matches && !printing ? themes.dark : themes.light,
    width: printing ? onPaper : Math.max(least, canvas.closest(".scroll").clientWidth),
  };
};
const draw = (printing) => {
  for (const canvas of canvases) {
    const { data } = figures[canvas.dataset.figure];
    const options = { displaylogo: false, displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d"] };
    Plotly.react(canvas, data, layoutOf(canvas, printing), options);
  }
};
const redraw = () => draw(printed.matches);

for (const canvas of canvases) canvas.style.minHeight = `${canvas.dataset.height}px`;
redraw();
document.documentElement.dataset.drawn = canvases.length;
dark.addEventListener("change", redraw);
printed.addEventListener("change", redraw);
addEventListener("beforeprint", () => draw(true));
addEventListener("afterprint", () => draw(false));
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) { width = innerWidth; redraw(); }
});
