// What was seen of something on the last answers, oldest first: the lag of each flow since
// the console was opened. It costs the server nothing.
export class Trail {
  private seen = new Map<string, number[]>();
  private at = "";

  constructor(private readonly most: number) {}

  /** Notes the answer of a time; the same answer counts once. What is not in it is forgotten. */
  note(at: string, values: Iterable<[string, number]>): void {
    if (at === this.at) return;
    this.at = at;
    const next = new Map<string, number[]>();
    for (const [name, value] of values) next.set(name, [...(this.seen.get(name) ?? []), value].slice(-this.most));
    this.seen = next;
  }

  of(name: string): number[] {
    return this.seen.get(name) ?? [];
  }
}

/** The points of a line through values in a box, for an SVG; "" for less than two values. */
export function line(values: number[], width: number, height: number, most: number, least: number): string {
  if (values.length < 2) return "";
  const top = Math.max(least, ...values), step = width / (most - 1), first = most - values.length;
  return values.map((v, i) => `${((first + i) * step).toFixed(1)},${(height - 1 - (Math.max(0, v) / top) * (height - 2)).toFixed(1)}`).join(" ");
}
