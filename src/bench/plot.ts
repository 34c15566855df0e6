/** A grouped bar chart as SVG: readable on light and dark pages, without a library. */

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly series: string;
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly bars: readonly Bar[];
}

const COLOURS = ["#2f6fde", "#d1495b", "#8a8f98", "#e0a030", "#3a9d6e"];
const ROW = 22;
const LEFT = 260;
const WIDTH = 900;

export function drawBars(chart: Chart): string {
  const series = [...new Set(chart.bars.map((bar) => bar.series))];
  const groups = [...new Set(chart.bars.map((bar) => bar.label))];
  const most = Math.max(...chart.bars.map((bar) => bar.value), 1e-9);
  const parts: string[] = [];
  let y = 60;
  for (const group of groups) {
    parts.push(text(LEFT - 8, y + 14, group, "end", 12));
    for (const bar of chart.bars.filter((candidate) => candidate.label === group)) {
      const width = (bar.value / most) * (WIDTH - LEFT - 190);
      const colour = COLOURS[series.indexOf(bar.series) % COLOURS.length];
      parts.push(
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 5}" rx="2" fill="${colour}"/>`,
      );
      parts.push(
        text(LEFT + width + 6, y + 13, `${figure(bar.value)} ${chart.unit}  ${bar.series}`, "start", 11),
      );
      y += ROW;
    }
    y += 10;
  }
  const height = y + 10;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(20, 30, chart.title, "start", 16),
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function text(x: number, y: number, content: string, anchor: "start" | "end", size: number): string {
  const safe = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="#222222">${safe}</text>`;
}

export function figure(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
