// The samples as a table in docs/performance.md and as a picture beside it.
import { Failure } from "../scripts/terminal/failure.mjs";

const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

/** The page with `section` between its two markers, in place of what stood there. */
export function inserted(page, section) {
  const [before, rest, ...others] = page.split(BEGIN);
  const [, after, ...more] = rest?.split(END) ?? [];
  if (after === undefined || others.length > 0 || more.length > 0) {
    throw new Failure(`docs/performance.md must have ${BEGIN} and, after it, ${END}, each once.`);
  }
  return `${before}${BEGIN}\n${section.trim()}\n${END}${after}`;
}

const WORKLOADS = { otp: "An app (`otp`)", sms: "A text message (`sms`)" };

const fixed = (digits) => (value) => (value === undefined ? "–" : value.toFixed(digits));
const ratio = (value) =>
  value === undefined ? "–" : `${value.median.toFixed(2)} (${value.least.toFixed(2)}–${value.most.toFixed(2)})`;

const COLUMNS = [
  ["requests/s", ({ perSecond }) => fixed(0)(perSecond)],
  ["ratio", ({ speed }) => ratio(speed)],
  ["p50 ms", ({ p50 }) => fixed(1)(p50)],
  ["p99 ms", ({ p99 }) => fixed(1)(p99)],
  ["CPU s per 1000", ({ cpu }) => fixed(2)(cpu)],
  ["CPU ratio", ({ thrift }) => ratio(thrift)],
  ["memory MB", ({ megabytes }) => fixed(0)(megabytes)],
  ["bundle KB", ({ kilobytes }) => (kilobytes < 1 ? "< 1" : fixed(0)(kilobytes))],
  ["ready ms", ({ start }) => fixed(0)(start)],
  ["first answer ms", ({ firstAnswer }) => fixed(1)(firstAnswer)],
];

const row = (cells) => `| ${cells.join(" | ")} |`;

/** One series as a table. */
export function table(lines) {
  const head = ["", ...COLUMNS.map(([name]) => name)];
  const rows = lines.map((line) => row([line.title, ...COLUMNS.map(([, of]) => of(line))]));
  return [row(head), row(head.map(() => "---")), ...rows].join("\n");
}

/**
 * What stands between the markers.
 *
 * @param {object} results
 * @param {{ date: string, commit: string, processor: string, cores: number, workerd: string, node: string,
 *   memory: boolean }} results.machine `memory`: whether the databases were in memory
 * @param {{ rounds: number, requests: number, warmup: number, inFlight: number }} results.plan
 * @param {{ workload: string, lines: object[] }[]} results.series each with lines as `summarize` makes them, and the
 *   contestant's `title` and `kilobytes`
 * @param {{ title: string, lines: object[] }[]} results.variants the same under other conditions
 */
export function section({ machine, plan, series, variants }) {
  const { rounds, requests, warmup, inFlight } = plan;
  const busy = Math.max(...series.flatMap(({ lines }) => lines.map((line) => line.busy)));
  const parts = [
    [
      `Measured on ${machine.date} at commit ${machine.commit}: ${machine.processor}, ${machine.cores} cores,`,
      `workerd ${machine.workerd}, Node ${machine.node}; ${rounds} rounds of ${requests} requests after ${warmup},`,
      `${inFlight} at once. The load generator was busy on ${busy.toFixed(2)} of a core at most.`,
      ...(machine.memory ? [] : ["The databases were on a disk, for there is no /dev/shm."]),
    ].join("\n"),
    "![Requests per second as ratios to a bare Worker with one D1 batch](benchmark.svg)",
    ...series.map(({ workload, lines }) => `### ${WORKLOADS[workload]}\n${table(lines)}`),
  ];
  if (variants.length > 0) {
    const rows = variants.flatMap(({ title, lines }) =>
      lines.map(({ title: name, perSecond, speed, cpu, thrift }) =>
        row([title, name, fixed(0)(perSecond), ratio(speed), fixed(2)(cpu), ratio(thrift)]),
      ),
    );
    const head = row(["", "", "requests/s", "ratio", "CPU s per 1000", "CPU ratio"]);
    parts.push(`### Under other conditions\nIn half as many rounds.\n\n${[head, row(Array(6).fill("---")), ...rows].join("\n")}`);
  }
  return parts.join("\n\n");
}

const WIDTH = 760;
const LEFT = 250;
const RIGHT = 110;
const ROW = 30;
const BAR = 16;
const COLORS = { countersign: "#1f6feb", base: "#57606a", other: "#9a9fa6" };

/** Keeps a line behind a text from running through it. */
const HALO = 'stroke="#ffffff" stroke-width="4" paint-order="stroke"';

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/**
 * The ratios as bars, each with a line from the least to the most that a round gave. A contestant far beyond the base
 * (the bare Worker) is left to the table.
 */
export function plot(series, base) {
  const shown = series
    .map(({ workload, lines }) => ({ workload, lines: lines.filter(({ name, speed }) => speed && name !== "bare") }))
    .filter(({ lines }) => lines.length > 0);
  const most = Math.max(1, ...shown.flatMap(({ lines }) => lines.map(({ speed }) => speed.most)));
  const end = Math.ceil(most * 5) / 5;
  const x = (value) => (LEFT + ((WIDTH - LEFT - RIGHT) * value) / end).toFixed(1);
  const parts = [];
  const heading = "Requests per second, bare Worker with one D1 batch = 1. Median and spread of the rounds; more is better.";
  let y = 44;
  for (const { workload, lines } of shown) {
    parts.push(`<text x="16" y="${y + 14}" font-weight="600">${escaped(WORKLOADS[workload].replaceAll("`", ""))}</text>`);
    y += 26;
    for (const { name, title, speed } of lines) {
      const color = name === base ? COLORS.base : (COLORS[name] ?? COLORS.other);
      const middle = y + ROW / 2;
      const width = (Number(x(speed.median)) - LEFT).toFixed(1);
      const ends = [speed.least, speed.most].map((value) => `M${x(value)} ${middle - 4}v8`).join("");
      parts.push(
        `<text x="${LEFT - 10}" y="${middle + 4}" text-anchor="end">${escaped(title)}</text>`,
        `<rect x="${LEFT}" y="${middle - BAR / 2}" width="${width}" height="${BAR}" fill="${color}"/>`,
        `<path d="M${x(speed.least)} ${middle}H${x(speed.most)}${ends}" stroke="#1f2328" fill="none"/>`,
        `<text x="${Number(x(speed.most)) + 8}" y="${middle + 4}" ${HALO}>${speed.median.toFixed(2)}</text>`,
      );
      y += ROW;
    }
    y += 12;
  }
  const ticks = Array.from({ length: Math.floor(end / 0.2 + 1e-9) + 1 }, (_, index) => index / 5);
  const axis = ticks.map((tick) => {
    const line = `<path d="M${x(tick)} 40V${y}" stroke="${tick === 1 ? "#57606a" : "#d8dee4"}"/>`;
    return `${line}<text x="${x(tick)}" y="${y + 16}" text-anchor="middle" fill="#57606a">${tick.toFixed(1)}</text>`;
  });
  const height = y + 30;
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  const style = 'font-family="system-ui, sans-serif" font-size="13" fill="#1f2328"';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style} role="img">
<title>Requests per second as ratios to a bare Worker with one D1 batch; more is better</title>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6" fill="#ffffff" stroke="#d8dee4"/>
<text x="16" y="26" fill="#57606a">${heading}</text>
${axis.join("\n")}
${parts.join("\n")}
</svg>
`;
}
