/** Topic filters of MQTT 3.1.1, section 4.7: `+` stands for one level, a last `#` for the rest and its parent. */

/** The longest topic and the deepest tree that we accept; a topic of the house has a handful of levels. */
const longest = 512;
const deepest = 64;

const bounded = (text: string) =>
  text !== '' && text.length <= longest && !text.includes('\0') && text.split('/').length <= deepest;

/** True for a name that a message may be published under. */
export const isTopic = (text: string): boolean => bounded(text) && !/[+#]/.test(text);

/** True for a name that may be subscribed to. */
export function isFilter(text: string): boolean {
  const levels = text.split('/');
  return (
    bounded(text) &&
    levels.every(
      (level, i) => level === '+' || (level === '#' ? i === levels.length - 1 : !/[+#]/.test(level)),
    )
  );
}

/** Whether every topic that `inner` (a topic or a filter) can mean is one that `outer` means as well. */
export function covers(outer: string, inner: string): boolean {
  const [wide, narrow] = [outer.split('/'), inner.split('/')];
  // A wildcard at the start never means the `$` trees, which belong to the broker.
  if (inner.startsWith('$') && /^[+#]/.test(outer)) return false;
  for (const [i, level] of wide.entries()) {
    if (level === '#') return true;
    const other = narrow[i];
    if (other === undefined || other === '#') return false;
    if (level !== '+' && level !== other) return false;
  }
  return wide.length === narrow.length;
}

/** Whether a filter means a topic. */
export function matches(filter: string, topic: string): boolean {
  // `house/#` means `house` too.
  return covers(filter, topic) || (filter.endsWith('/#') && covers(filter.slice(0, -2), topic));
}
