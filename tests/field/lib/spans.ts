/** From when until when, in seconds of a clip. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How well the spans that were found are those that are true. */
export interface SpanScore {
  readonly items: number;
  readonly right: number;
  /** Groups that lie wholly in the gaps of the truth. */
  readonly extra: number;
  /** Found minus true, in seconds, of those that are right. */
  readonly startErrors: readonly number[];
  readonly endErrors: readonly number[];
}

/** Spans that overlap or follow one another within `gap` seconds as one, in order. */
export function joined(spans: readonly Span[], gap: number): Span[] {
  const result: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last === undefined || span.start - last.end > gap) result.push(span);
    else result[result.length - 1] = { start: last.start, end: Math.max(last.end, span.end) };
  }
  return result;
}

const overlap = (a: Span, b: Span) => Math.min(a.end, b.end) - Math.max(a.start, b.start);

/**
 * A true span is right when exactly one group of what was found overlaps it, and that group overlaps no other true span
 * more: one event that never ends does not find them all. What is found within `gap` seconds is one group.
 */
export function judgeSpans(truth: readonly Span[], found: readonly Span[], gap: number): SpanScore {
  const real = joined(truth, 0);
  const groups = joined(found, gap);
  const startErrors: number[] = [];
  const endErrors: number[] = [];
  for (const span of real) {
    const over = groups.filter((group) => overlap(span, group) > 0);
    const [group] = over;
    if (group === undefined || over.length > 1) continue;
    const mine = overlap(span, group);
    // Of two that it overlaps equally the first is meant.
    const meant = real.find((other) => overlap(other, group) >= mine && other !== span);
    if (meant !== undefined && (overlap(meant, group) > mine || meant.start < span.start)) continue;
    startErrors.push(group.start - span.start);
    endErrors.push(group.end - span.end);
  }
  const extra = groups.filter((group) => !real.some((span) => overlap(span, group) > 0)).length;
  return { items: real.length, right: startErrors.length, extra, startErrors, endErrors };
}
