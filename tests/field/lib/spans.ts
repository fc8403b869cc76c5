/** From when until when, in seconds of a clip. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** How well the spans that were found are those that are true. */
export interface SpanScore {
  readonly items: number;
  readonly right: number;
  /** Groups of what lies wholly in the gaps of the truth. */
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
 * A true span is right when what was found over it is one group: found spans within `gap` seconds of one another. Each
 * found span counts for the true span that it overlaps most, so one that never ends does not find them all, and two
 * people who come shortly after one another are two.
 */
export function judgeSpans(truth: readonly Span[], found: readonly Span[], gap: number): SpanScore {
  const real = joined(truth, 0);
  const meant = Map.groupBy(found, (span) => {
    const [best] = real
      .filter((one) => overlap(one, span) > 0)
      .toSorted((a, b) => overlap(b, span) - overlap(a, span));
    return best;
  });
  const startErrors: number[] = [];
  const endErrors: number[] = [];
  for (const span of real) {
    const [group, ...more] = joined(meant.get(span) ?? [], gap);
    if (group === undefined || more.length > 0) continue;
    startErrors.push(group.start - span.start);
    endErrors.push(group.end - span.end);
  }
  const extra = joined(found, gap).filter((group) => !real.some((span) => overlap(span, group) > 0)).length;
  return { items: real.length, right: startErrors.length, extra, startErrors, endErrors };
}
