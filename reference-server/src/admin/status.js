// Asks for the state once a second and draws what has changed since.
"use strict";

const SECONDS = 120;
const series = { rate: [], p50: [], p95: [], p99: [], connections: [] };
let last = null;
let asked = 0;

const by = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");

/** The bound, in seconds, within which `part` of the exchanges since the last look stayed. */
function within(now, part) {
  const counts = now.buckets.map((count, index) => count - last.buckets[index]);
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let sum = 0;
  for (let index = 0; index < counts.length; index++) {
    sum += counts[index];
    if (sum >= all * part) return now.bounds[index] ?? now.bounds[now.bounds.length - 1];
  }
  return null;
}

function keep(name, value) {
  series[name].push(value);
  if (series[name].length > SECONDS) series[name].shift();
}

function draw(id, names, least) {
  const most = Math.max(least, ...names.flatMap((name) => series[name].map((value) => value ?? 0)));
  const lines = names.map((name, index) => {
    const begin = SECONDS - series[name].length;
    const points = series[name]
      .map((value, at) => (value === null ? null : `${((begin + at) * 600) / (SECONDS - 1)},${116 - (value / most) * 108}`))
      .filter((point) => point !== null);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", points.join(" "));
    line.setAttribute("class", ["one", "two", "three"][index]);
    return line;
  });
  by(id).replaceChildren(...lines);
}

function rows(state) {
  const entries = [
    ["Connections", whole.format(state.connections)],
    ["Under way", whole.format(state.in_flight)],
    ["Exchanges", whole.format(state.exchanges)],
    ["Content sent", `${whole.format(Math.round(state.bytes / 1024))} KiB`],
    ["Refused heads", whole.format(state.refused)],
    ["Memory", state.resident_bytes === null ? "?" : `${(state.resident_bytes / 1048576).toFixed(1)} MiB`],
    ["Descriptors", state.descriptors ?? "?"],
    ["Up", `${whole.format(Math.round(state.uptime_seconds))} s`],
  ];
  by("numbers").replaceChildren(...entries.map(([name, value]) => {
    const group = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    group.append(term, text);
    return group;
  }));
  by("statuses").replaceChildren(...Object.entries(state.statuses).map(([status, count]) => {
    const row = document.createElement("tr");
    for (const text of [status, whole.format(count)]) {
      const cell = document.createElement("td");
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  }));
}

function show(state) {
  by("software").textContent = state.software;
  by("state").textContent = state.ready ? "ready" : "not ready";
  by("state").className = "";
  by("where").textContent = `process ${state.pid} on ${state.endpoints.join(", ")}`;
  rows(state);
  const started = last !== null && last.pid === state.pid;
  if (started) {
    const time = Math.max(state.uptime_seconds - last.uptime_seconds, 0.001);
    keep("rate", Math.max(state.exchanges - last.exchanges, 0) / time);
    for (const [name, part] of [["p50", 0.5], ["p95", 0.95], ["p99", 0.99]]) {
      const value = within(state, part);
      keep(name, value);
      by(`${name}-now`).textContent = value === null ? "–" : `≤ ${value * 1000} ms`;
    }
    by("rate-now").textContent = whole.format(Math.round(series.rate[series.rate.length - 1]));
  }
  keep("connections", state.connections);
  by("connections-now").textContent = whole.format(state.connections);
  draw("rate", ["rate"], 1);
  draw("latency", ["p50", "p95", "p99"], 0.001);
  draw("connections", ["connections"], 1);
  last = state;
  document.documentElement.dataset.asked = String(++asked);
}

async function ask() {
  try {
    const answer = await fetch("status.json", { cache: "no-store" });
    show(await answer.json());
  } catch {
    by("state").textContent = "does not answer";
    by("state").className = "gone";
  }
  setTimeout(ask, 1000);
}

ask();
