// The first page of an installation without flows: the lines that make one.
import type { JSX } from "preact";
import { useContext } from "preact/hooks";
import { prom, useAsked } from "../api";
import { count, selector } from "../format";
import { Here } from "../installation";
import { at } from "../place";
import { Code } from "../ui";

type Metadata = Record<string, { type: string }[]>;

/** A flow over what there is: a counter that senders tell of, else one by its name. */
async function example(signal: AbortSignal): Promise<{ metric: string; counter: boolean } | null> {
  const names = (await prom<string[]>("label/__name__/values", { limit: "10000" }, signal)).data;
  const told = (await prom<Metadata>("metadata", { limit: "10000" }, signal)).data;
  const counters = names.filter((n) => (Object.hasOwn(told, n) && told[n]?.some((m) => m.type === "counter")) || n.endsWith("_total"));
  const metric = counters.find((n) => n.includes("request")) ?? counters[0] ?? names[0];
  return metric === undefined ? null : { metric, counter: counters.includes(metric) };
}

export function Empty(): JSX.Element {
  const here = useContext(Here), asked = useAsked("example", example, 3000);
  const found = asked.data, name = found?.metric ?? "http_requests_total", counter = found?.counter ?? true;
  const reads = selector(name), promql = counter ? `sum by (job) (rate(${reads}[5m]))` : `avg by (job) (avg_over_time(${reads}[5m]))`;
  const short = (counter ? name.replace(/_total$/, "") : name).replace(/^[0-9]/, "_$&").replace(/[^a-zA-Z0-9_:]/g, "_");
  const flow = [
    "flows:",
    `  - name: ${short}:${counter ? "rate5m" : "avg5m"}`,
    `    promql: ${reads === name ? promql : JSON.stringify(promql)}`, // braces and quotes mean something in YAML, too
    "    every: 1m",
  ].join("\n");
  return (
    <div class="first">
      <h1>There are no flows yet</h1>
      <p>A flow is a PromQL expression whose results Laminar keeps in a table, up to date while samples stream in.</p>
      <ol>
        <li class={found ? "done" : ""}>
          <h2>{found ? `Samples arrive${here && here.series > 0 ? `: ${count(here.series)} series so far` : ""}` : "Send samples"}</h2>
          {found
            ? <p>Look at them on the page <a href={at(["explore"])}>Explore</a>.</p>
            : <><p>Add this to a <code>prometheus.yml</code>, or let <code>laminar simulate</code> send what a small fleet would. This page notices.</p>
                <Code text={`remote_write:\n  - url: ${location.origin}/api/v1/write`} /></>}
        </li>
        <li>
          <h2>Write four lines to <code>flows.yaml</code></h2>
          <Code text={flow} />
        </li>
        <li>
          <h2>Apply them</h2>
          <Code text="laminar flow apply -f flows.yaml" />
          <p>The first rows are there within two minutes. Prometheus rule files work as they are.</p>
        </li>
      </ol>
    </div>
  );
}
