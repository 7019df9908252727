/** The samples of one metric, from all servers, below its description. */
interface Family {
  readonly about: string[];
  readonly samples: string[];
}

/**
 * One text of several in Prometheus' format: each sample gets a label that names its server, each metric is described once.
 * Nothing is added up: `sum without (server) (…)` does that, and a gauge or a server that hangs stays visible.
 */
export function mergeMetrics(texts: ReadonlyMap<string, string>): string {
  const families = new Map<string, Family>();
  for (const [server, text] of texts) {
    let current: Family | undefined;
    let isDescribed = false;
    for (const line of text.split('\n')) {
      const [, name] = /^# (?:HELP|TYPE|UNIT) (\S+)/.exec(line) ?? [];
      if (name !== undefined) {
        const known = families.get(name);
        if (known === undefined) families.set(name, { about: [], samples: [] });
        const family = families.get(name) as Family;
        if (family !== current) isDescribed = known !== undefined;
        current = family;
        if (!isDescribed) family.about.push(line);
      } else if (line !== '' && !line.startsWith('#')) {
        current?.samples.push(labelled(line, server));
      }
    }
  }
  const blocks = [...families.values()].map(({ about, samples }) => [...about, ...samples, ''].join('\n'));
  return blocks.join('');
}

/** `name{a="b"} 1` or `name 1`; a label's value may hold anything, a name can't hold a brace or a space. */
function labelled(sample: string, server: string): string {
  const [name = ''] = /^[^{ ]+/.exec(sample) ?? [];
  const rest = sample.slice(name.length);
  const label = `server="${server}"`;
  if (!rest.startsWith('{')) return `${name}{${label}}${rest}`;
  return rest.startsWith('{}') ? `${name}{${label}${rest.slice(1)}` : `${name}{${label},${rest.slice(1)}`;
}
