// The alerts of alerting rules, as they stand.
import type { JSX } from "preact";
import { get, useAsked } from "../api";
import { count, labels, parseTime, value } from "../format";
import { at, useParam } from "../place";
import { Shown, State, Table, Time } from "../ui";
import type { Alert } from "../types";

const order = ["firing", "pending", "resolved"];

const since = (a: Alert): string => [a.resolved_at, a.firing_since, a.active_since].find((t) => parseTime(t) !== null) ?? "-";

export function Alerts(): JSX.Element {
  const asked = useAsked("alerts", (signal) => get<{ alerts: Alert[] }>("alerts", {}, signal), 2000);
  const [find, setFind] = useParam("q"), [state, setState] = useParam("state");
  return (
    <>
      <header class="page"><h1>Alerts</h1></header>
      <Shown asked={asked}>
        {({ alerts }) => {
          const words = find.toLowerCase().split(/\s+/).filter((w) => w !== "");
          const found = alerts.filter((a) => words.every((w) => `${a.alertname} ${labels(a.labels)}`.toLowerCase().includes(w)));
          const list = found.filter((a) => state === "" || a.state === state).sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (parseTime(since(b)) ?? 0) - (parseTime(since(a)) ?? 0));
          return (
            <>
              <div class="tools">
                <input type="search" data-find placeholder="Filter by name or label" aria-label="filter" value={find} onInput={(e) => setFind(e.currentTarget.value)} />
                <div class="choice" role="group" aria-label="state">
                  <button type="button" aria-pressed={state === ""} onClick={() => setState("")}>all {count(found.length)}</button>
                  {order.map((s) => <button key={s} type="button" aria-pressed={state === s} onClick={() => setState(s)}><State of={s} /> {count(found.filter((a) => a.state === s).length)}</button>)}
                </div>
              </div>
              <Table label="alerts" rows={list} id={(a) => labels(a.labels, []) + a.alertname} param="sort"
                none={alerts.length === 0 ? "No alert is pending or fires. Alerting rules are flows; see docs/alerts.md." : "No alert is like that."} columns={[
                  { head: "Alert", first: true, grow: true, sort: (a) => a.alertname, cell: (a) => (
                    <><a href={at(["flow", a.flow])}>{a.alertname}</a><code class="line" title={labels(a.labels, ["alertname", "__name__"])}>{labels(a.labels, ["alertname", "__name__"])}</code>
                      {Object.values(a.annotations).map((t) => <span key={t} class="line whole">{t}</span>)}</>
                  ) },
                  { head: "State", sort: (a) => order.indexOf(a.state), cell: (a) => <State of={a.state} title={parseTime(a.kept_firing_since) ? "gone, and kept firing for keep_firing_for" : undefined} /> },
                  { head: "Value", num: true, sort: (a) => a.value ?? 0, cell: (a) => (a.value === null ? "-" : value(a.value)) },
                  { head: "Since", num: true, sort: (a) => -(parseTime(since(a)) ?? 0), cell: (a) => <Time at={since(a)} relative /> },
                  { head: "As of", num: true, title: "the end of the last window that was evaluated", cell: (a) => <Time at={a.as_of} /> },
                  { head: "Told", num: true, title: "when an Alertmanager last took it", cell: (a) => <Time at={a.told_at} relative none="nobody" /> },
                ]} />
            </>
          );
        }}
      </Shown>
    </>
  );
}
