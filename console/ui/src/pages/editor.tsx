// The field of an expression, with what can be written at its place.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { complete, type Completion } from "../promql";

export function Editor({ value, onRun }: { value: string; onRun: (text: string) => void }): JSX.Element {
  const field = useRef<HTMLTextAreaElement>(null), turn = useRef(0);
  const [text, setText] = useState(value), [open, setOpen] = useState<Completion | null>(null), [at, setAt] = useState(0);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    const f = field.current;
    if (!f) return;
    f.style.height = "auto";
    f.style.height = `${f.scrollHeight + 2}px`;
  }, [text]);
  const look = async (): Promise<void> => {
    const f = field.current, mine = ++turn.current;
    if (!f || f.selectionStart !== f.selectionEnd) return setOpen(null);
    const found = await complete(f.value, f.selectionStart);
    if (mine !== turn.current) return; // something was typed meanwhile
    setAt(0);
    setOpen(found.offers.length > 0 ? found : null);
  };
  const close = (): void => {
    turn.current++;
    setOpen(null);
  };
  const take = (i: number): void => {
    const f = field.current, offer = open?.offers[i];
    if (!f || !open || !offer) return;
    const call = offer.note.startsWith("function") || offer.note === "aggregation" ? "(" : "";
    const rest = f.value.slice(open.to), insert = (offer.insert ?? offer.text) + (call && !rest.startsWith("(") ? call : "");
    const next = f.value.slice(0, open.from) + insert + rest;
    f.value = next;
    setText(next);
    close();
    f.focus();
    f.setSelectionRange(open.from + insert.length, open.from + insert.length);
  };
  const run = (): void => {
    close();
    onRun(text.trim());
  };
  const key = (e: KeyboardEvent): void => {
    if (open && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      e.preventDefault();
      const n = open.offers.length;
      setAt((at + (e.key === "ArrowDown" ? 1 : n - 1)) % n);
    } else if (open && e.key === "Tab") {
      e.preventDefault();
      take(at);
    } else if (open && e.key === "Escape") {
      e.preventDefault();
      e.stopPropagation();
      close();
    } else if (e.key === "Enter" && !e.shiftKey) {
      e.preventDefault();
      run();
    }
  };
  return (
    <form class="editor" onSubmit={(e) => { e.preventDefault(); run(); }}>
      <div class="field">
        <textarea ref={field} data-find rows={1} spellcheck={false} autocapitalize="off" autocomplete="off" aria-label="expression" aria-autocomplete="list" aria-haspopup="listbox"
          aria-controls="offers" aria-activedescendant={open ? `offer-${at}` : undefined} placeholder="PromQL: a metric, a flow, an expression over them" value={text}
          onInput={(e) => { setText(e.currentTarget.value); void look(); }} onKeyDown={key} onClick={close} onBlur={close} />
        {open && (
          <ul id="offers" class="offers" role="listbox" aria-label="what can be written here">
            {open.offers.map((o, i) => (
              <li key={o.text + o.note} id={`offer-${i}`} role="option" aria-selected={i === at} ref={(el) => { if (i === at) el?.scrollIntoView({ block: "nearest" }); }}
                onMouseDown={(e) => { e.preventDefault(); take(i); }}>
                <code>{o.text}</code><span>{o.note}</span>
              </li>
            ))}
            <li class="dim" aria-hidden="true"><kbd>Tab</kbd> takes it, <kbd>Enter</kbd> runs the expression</li>
          </ul>
        )}
      </div>
      <button class="main">Run</button>
    </form>
  );
}
