// Charts over time by uPlot, in the page's colours; they follow its width and its theme.

let library = null;

function load() {
  library ??= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = "/static/vendor/uPlot.min.css";
    const script = document.createElement("script");
    script.src = "/static/vendor/uPlot.iife.min.js";
    script.onload = () => resolve(globalThis.uPlot);
    script.onerror = () => reject(new Error("The charts could not be loaded."));
    document.head.append(style, script);
  });
  return library;
}

export const colour = (name) => {
  // A custom property may be light-dark(): only a real property resolves it.
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

export const GUTTER = 36; // pixels beside the plot, for the scale; see --gutter

/**
 * Draw steps over time: each value holds from its time to the next one, the last to the end.
 *
 * @param {HTMLElement} place emptied before
 * @param {{times: number[], values: number[], end: number, height: number, scale?: boolean}} what
 * @returns {Promise<() => void>} takes the chart away
 */
export async function steps(place, { times, values, end, height, scale = true, range = [0, 1] }) {
  const UPlot = await load();
  let chart = null;
  const draw = () => {
    chart?.destroy();
    const [ink, muted, line, accent] = ["ink", "muted", "line", "accent"].map(colour);
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: muted, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const paths = UPlot.paths.stepped({ align: 1 });
    chart = new UPlot(
      {
        width: Math.max(place.clientWidth, 120),
        height,
        padding: [scale ? 8 : 2, 0, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: [0, end] }, y: { range } },
        axes: [
          { ...axis, show: scale, size: 26, gap: 4, grid: { show: false }, values: (_, at) => at.map((v) => (v > end * 0.97 ? "" : minutes(v))), space: 60 },
          { ...axis, size: GUTTER, gap: 6, splits: scale ? [0, 0.5, 1] : [], values: (_, at) => at.map((v) => v.toFixed(1)) },
        ],
        series: [{}, { paths, stroke: scale ? ink : accent, fill: scale ? undefined : colour("accent-soft"), width: 1.5, points: { show: false } }],
      },
      [[...times, end], [...values, values.at(-1)]],
      place,
    );
  };
  draw();
  let width = place.clientWidth;
  const watcher = new ResizeObserver(() => {
    if (place.clientWidth === width) return;
    width = place.clientWidth;
    chart.setSize({ width: Math.max(width, 120), height });
  });
  watcher.observe(place);
  document.addEventListener("theme", draw);
  return () => {
    watcher.disconnect();
    document.removeEventListener("theme", draw);
    chart.destroy();
  };
}

const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

/** The theme that is shown: "light" or "dark". */
export const theme = () =>
  document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

// Viridis (Smith and van der Walt, 2015): even in lightness, and read without colour vision too.
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];

/** Colour of a score in [0, 1]; the ends that the background would swallow are left out. */
export function viridis(score) {
  const [low, high] = theme() === "dark" ? [0.25, 1] : [0, 0.85];
  const at = (low + (high - low) * Math.min(Math.max(score, 0), 1)) * (VIRIDIS.length - 1);
  const [a, b] = [VIRIDIS[Math.floor(at)], VIRIDIS[Math.ceil(at)]];
  const mix = (i) => {
    const [x, y] = [a, b].map((hex) => parseInt(hex.slice(i, i + 2), 16));
    return Math.round(x + (y - x) * (at % 1));
  };
  return `rgb(${mix(1)} ${mix(3)} ${mix(5)})`;
}
