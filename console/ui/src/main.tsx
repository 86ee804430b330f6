// The console: its frame, its pages by path, its keys.
import { render, type JSX } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { useInstallation, Here } from "./installation";
import { Alerts } from "./pages/alerts";
import { Explore } from "./pages/explore";
import { FlowPage } from "./pages/flow";
import { FlowsPage } from "./pages/flows";
import { IngestPage } from "./pages/ingest";
import { Jobs } from "./pages/jobs";
import { Refill } from "./pages/refill";
import { StoragePage } from "./pages/storage";
import { Verify } from "./pages/verify";
import { at, go, usePlace } from "./place";
import { Problem } from "./ui";
import "./style.css";

interface Page {
  path: string;
  name: string;
  key: string; // g and this key lead there
  show: (rest: string[]) => JSX.Element;
}

const pages: Page[] = [
  { path: "", name: "Flows", key: "f", show: () => <FlowsPage /> },
  { path: "explore", name: "Explore", key: "e", show: () => <Explore /> },
  { path: "alerts", name: "Alerts", key: "a", show: () => <Alerts /> },
  { path: "refill", name: "Refill", key: "r", show: () => <Refill /> },
  { path: "jobs", name: "Jobs", key: "j", show: () => <Jobs /> },
  { path: "ingest", name: "Ingest", key: "i", show: () => <IngestPage /> },
  { path: "storage", name: "Storage", key: "s", show: () => <StoragePage /> },
  { path: "verify", name: "Verify", key: "v", show: () => <Verify /> },
];

function App(): JSX.Element {
  const place = usePlace(), here = useInstallation();
  const [first, ...rest] = place.path;
  const page = pages.find((p) => p.path === (first ?? "")), flow = first === "flow" ? rest.join("/") : undefined;
  useKeys();
  const name = flow ?? page?.name ?? "Not found";
  useEffect(() => {
    document.title = `${name} · Laminar`;
  }, [name]);
  return (
    <Here.Provider value={here.data}>
      <nav aria-label="pages">
        <a class="brand" href={at([])}><img src="icon.svg" alt="" width="22" height="22" />Laminar</a>
        <div class="pages">
          {pages.map((p) => (
            <a key={p.path} href={at(p.path ? [p.path] : [])} aria-current={p === page || (flow !== undefined && p.path === "") ? "page" : undefined}>{p.name}</a>
          ))}
        </div>
        <Foot />
      </nav>
      <main>
        {here.data?.leader === null && <Problem error={{ message: "No process keeps the flows now: what is shown of them stands still.", hint: "laminar status" }} />}
        {flow !== undefined ? <FlowPage key={flow} name={flow} /> : page ? page.show(rest) : <div class="none"><h1>No such page</h1><p><a href={at([])}>All flows</a></p></div>}
      </main>
      <Help />
    </Here.Provider>
  );
}

function Foot(): JSX.Element {
  const here = useContext(Here);
  return (
    <div class="foot">
      {here && <span title={`process ${here.process}`}>{here.version}</span>}
      <button type="button" class="small" onClick={help}>Keys <kbd>?</kbd></button>
    </div>
  );
}

function help(): void {
  document.querySelector<HTMLDialogElement>("dialog.help")?.showModal();
}

/** The keys of all pages. A list's rows are those that have data-row. */
function useKeys(): void {
  const before = useRef("");
  useEffect(() => {
    const press = (e: KeyboardEvent): void => {
      const target = e.target as HTMLElement, typing = target.matches("input, textarea, select, [contenteditable]");
      if (e.key === "Escape" && typing) return target.blur();
      if (typing || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
      const last = before.current;
      before.current = e.key;
      if (last === "g") {
        const page = pages.find((p) => p.key === e.key);
        before.current = "";
        if (page) {
          e.preventDefault();
          go(at(page.path ? [page.path] : []));
        }
        return;
      }
      switch (e.key) {
        case "?":
          help();
          break;
        case "/": {
          const field = document.querySelector<HTMLElement>("main [data-find]");
          if (!field) return;
          field.focus();
          break;
        }
        case "j":
        case "k":
          walk(e.key === "j" ? 1 : -1);
          break;
        case "Enter":
          if (!target.matches("[data-row]")) return;
          target.querySelector<HTMLElement>("a, button")?.click();
          break;
        default:
          return;
      }
      e.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

function walk(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")], at = rows.findIndex((r) => r.contains(document.activeElement));
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function Help(): JSX.Element {
  const [keys] = useState<[string, string][]>([
    ["/", "filter or ask"], ["j  k", "next and previous row"], ["Enter", "open the row"], ["←  →", "another window, in the strip of a flow"],
    ...pages.map((p): [string, string] => [`g ${p.key}`, p.name]), ["Esc", "leave a field, close this"],
  ]);
  return (
    <dialog class="help" aria-label="keys">
      <h2>Keys</h2>
      <dl>{keys.map(([k, what]) => <div key={k}><dt>{k.split(/ +/).map((one) => <kbd key={one}>{one}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
