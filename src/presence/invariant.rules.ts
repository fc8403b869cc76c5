/**
 * What contradicts itself among the presence values of one tick, as a sentence; undefined when all is consistent.
 * They agree by construction; this looks at what is really sent. `people` are the configured names.
 */
export function contradiction(
  values: ReadonlyMap<string, number>,
  prefix: string,
  people: readonly string[],
): string | undefined {
  const wanted = [
    ...people.flatMap((person) =>
      ['is_home', 'from_wifi', 'from_homeassistant', 'from_tado'].map((leaf) => `${person}.${leaf}`),
    ),
    'count_home',
    'anyone_home',
    'wifi.devices_present_count',
  ];
  const missing = wanted.filter((leaf) => !values.has(`${prefix}.${leaf}`));
  if (missing.length > 0)
    return `expected ${wanted.length} metrics, ${wanted.length - missing.length} are sent; missing: ${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''}`;
  const valueOf = (leaf: string) => values.get(`${prefix}.${leaf}`) ?? 0;
  const sum = people.reduce((n, person) => n + valueOf(`${person}.is_home`), 0);
  const count = valueOf('count_home');
  if (count !== sum) return `count_home is ${count}, but the sum of is_home is ${sum}`;
  const anyone = valueOf('anyone_home');
  return anyone === (count > 0 ? 1 : 0) ? undefined : `anyone_home is ${anyone}, but count_home is ${count}`;
}
