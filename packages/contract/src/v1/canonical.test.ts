import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalForm } from './canonical.ts';
import { CanonicalError } from './canonical-walk.ts';
import { parseJsonExact } from './json-exact.ts';

const codeOf = (value: unknown, limits?: { maxDepth?: number; maxBytes?: number }): string => {
  try {
    return `no error: ${canonicalForm(value, limits).slice(0, 80)}`;
  } catch (error) {
    return error instanceof CanonicalError ? error.code : String(error);
  }
};
const nested = (depth: number): unknown => {
  let value: unknown = [];
  for (let i = 1; i < depth; i++) value = [value];
  return value;
};

// A description of a value from which both the value and, by other means, its meaning are made.
type Leaf = { leaf: string };
type Tree =
  | Leaf
  | { array: (Tree | 'hole')[] }
  | { object: [string, Tree][] }
  | { map: [Tree, Tree][] }
  | { set: Tree[] }
  | { json: Tree };

const leaves: Record<string, () => unknown> = {
  zero: () => 0,
  'minus zero': () => -0,
  one: () => 1,
  'one bigint': () => 1n,
  'one string': () => '1',
  'one with n': () => '1n',
  nan: () => Number.NaN,
  'nan string': () => 'NaN',
  infinity: () => Number.POSITIVE_INFINITY,
  null: () => null,
  'null string': () => 'null',
  undefined: () => undefined,
  'undefined string': () => 'undefined',
  'hole string': () => 'hole',
  true: () => true,
  empty: () => '',
  quote: () => '","',
  bracket: () => '"]',
  'epoch date': () => new Date(0),
  'epoch string': () => '1970-01-01T00:00:00.000Z',
  'epoch form': () => 'Date(0)',
  nfc: () => 'é',
  nfd: () => 'e\u0301',
  'lone surrogate': () => '\ud800',
  'escaped lone surrogate': () => '\\ud800',
  replacement: () => '\ufffd',
  regexp: () => /a/g,
  url: () => new URL('http://a/'),
  'url string': () => 'http://a/',
  bytes: () => new Uint8Array([1]),
  'signed bytes': () => new Int8Array([1]),
  buffer: () => new Uint8Array([1]).buffer,
  error: () => new Error('a'),
  'type error': () => new TypeError('a'),
};

function build(tree: Tree): unknown {
  if ('leaf' in tree) return leaves[tree.leaf]?.();
  if ('array' in tree) {
    const array: unknown[] = [];
    array.length = tree.array.length;
    tree.array.forEach((item, i) => {
      if (item !== 'hole') array[i] = build(item);
    });
    return array;
  }
  if ('object' in tree) {
    const object = {};
    for (const [name, member] of tree.object) {
      Object.defineProperty(object, name, { value: build(member), enumerable: true, configurable: true });
    }
    return object;
  }
  if ('map' in tree) {
    // Keys that are objects are never equal; keys that are primitives replace one another.
    return new Map(tree.map.map(([key, item]) => [build(key), build(item)]));
  }
  if ('set' in tree) return new Set(tree.set.map(build));
  const json = build(tree.json);
  return new (class {
    toJSON(): unknown {
      return json;
    }
  })();
}

/** The meaning of a description, in a form that JSON.stringify can compare. */
function meaning(tree: Tree): unknown {
  // A Map's key and a Set's item lose the sign of their zero.
  if ('leaf' in tree) return ['leaf', tree.leaf];
  if ('array' in tree)
    return ['array', ...tree.array.map((item) => (item === 'hole' ? 'hole' : meaning(item)))];
  const sorted = (entries: unknown[]): unknown[] => entries.map((entry) => JSON.stringify(entry)).sort();
  if ('object' in tree) {
    return ['object', ...sorted([...new Map(tree.object)].map(([name, member]) => [name, meaning(member)]))];
  }
  const unsigned = (item: Tree): Tree =>
    'leaf' in item && item.leaf === 'minus zero' ? { leaf: 'zero' } : item;
  const primitive = (item: Tree): boolean => 'leaf' in item && !(leaves[item.leaf]?.() instanceof Object);
  if ('map' in tree) {
    const entries = new Map<unknown, [unknown, unknown]>();
    for (const [key, item] of tree.map) {
      const name = meaning(unsigned(key));
      entries.set(primitive(key) ? JSON.stringify(name) : {}, [name, meaning(item)]);
    }
    return ['map', ...sorted([...entries.values()])];
  }
  if ('set' in tree) {
    const items = new Map<unknown, unknown>();
    for (const item of tree.set) {
      const name = meaning(unsigned(item));
      items.set(primitive(item) ? JSON.stringify(name) : {}, name);
    }
    return ['set', ...sorted([...items.values()])];
  }
  return ['json', meaning(tree.json)];
}

const { tree } = fc.letrec<{ tree: Tree; leaf: Tree }>((tie) => {
  const leaf = fc.constantFrom(...Object.keys(leaves)).map((name): Tree => ({ leaf: name }));
  const member = fc.tuple(
    fc.constantFrom('a', 'b', '__proto__', '1', '10', '', 'é', 'toJSON', '","'),
    tie('tree'),
  );
  const small = { maxLength: 3 };
  const tree = fc.oneof(
    { maxDepth: 4, depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .array(
        fc.oneof(
          { weight: 4, arbitrary: tie('tree') },
          { weight: 1, arbitrary: fc.constant('hole' as const) },
        ),
        small,
      )
      .map((array): Tree => ({ array })),
    fc.array(member, small).map((object): Tree => ({ object })),
    fc.array(fc.tuple(tie('tree'), tie('tree')), small).map((map): Tree => ({ map })),
    fc.array(tie('tree'), small).map((set): Tree => ({ set })),
    tie('tree').map((json): Tree => ({ json })),
  );
  return { tree, leaf };
});

describe('the canonical form', () => {
  it('is the same exactly when the meaning is the same', () => {
    const seen = new Map<string, string>();
    const meanings = new Map<string, string>();
    let again = 0;
    fc.assert(
      fc.property(tree, (description) => {
        const form = canonicalForm(build(description));
        const means = JSON.stringify(meaning(description));
        if (seen.has(form)) again++;
        expect(seen.get(form) ?? means).toBe(means);
        expect(meanings.get(means) ?? form).toBe(form);
        seen.set(form, means);
        meanings.set(means, form);
      }),
      { numRuns: 20_000 },
    );
    expect(again).toBeGreaterThan(1000);
    expect(seen.size).toBeGreaterThan(1000);
  });

  it('is the same for every order of members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 40 }), (object) => {
        const reversed = Object.fromEntries(Object.entries(object).reverse());
        expect(canonicalForm(reversed)).toBe(canonicalForm(object));
      }),
    );
  });

  it('of plain JSON without -0 parses back to it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(
          !JSON.stringify(value, (_, v) => (Object.is(v, -0) ? 'minus zero' : v)).includes('minus zero'),
        );
        expect(JSON.parse(canonicalForm(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('keeps rows apart whose members differ, whatever row came before', () => {
    expect(canonicalForm([{ a: 1, b: 2 }, { a: 1 }, { b: 2, a: 1 }, { a: 1, b: 2, c: 3 }])).toBe(
      '[{"a":1,"b":2},{"a":1},{"a":1,"b":2},{"a":1,"b":2,"c":3}]',
    );
  });

  it('counts a shared object as often as it occurs', () => {
    const shared = { x: new Map([[1, 2]]) };
    expect(canonicalForm({ a: shared, b: [shared, shared] })).toBe(
      '{"a":{"x":Map{1:2}},"b":[{"x":Map{1:2}},{"x":Map{1:2}}]}',
    );
  });
});

describe('cycles', () => {
  it.each<[string, () => unknown]>([
    [
      'an object in itself',
      () => {
        const o: Record<string, unknown> = {};
        o.self = o;
        return o;
      },
    ],
    [
      'an array in itself',
      () => {
        const a: unknown[] = [];
        a.push(a);
        return a;
      },
    ],
    [
      'a map as its own value',
      () => {
        const m = new Map();
        m.set(1, m);
        return m;
      },
    ],
    [
      'a map as its own key',
      () => {
        const m = new Map();
        m.set(m, 1);
        return m;
      },
    ],
    [
      'a set in itself',
      () => {
        const s = new Set();
        s.add(s);
        return s;
      },
    ],
    [
      'an error as its own cause',
      () => {
        const e = new Error('x');
        e.cause = e;
        return e;
      },
    ],
    [
      'an instance whose toJSON returns itself',
      () =>
        new (class {
          toJSON(): unknown {
            return this;
          }
        })(),
    ],
    [
      'two arrays in each other, twice each',
      () => {
        const a: unknown[] = [];
        const b = [a, a];
        a.push(b, b);
        return a;
      },
    ],
    [
      'a cycle with a long string, which passes the size first',
      () => {
        const o: Record<string, unknown> = { a: 'x'.repeat(300_000) };
        o.b = o;
        return o;
      },
    ],
  ])('%s is refused', (_, make) => {
    expect(codeOf(make())).toBe('cycle');
  });
});

describe('limits', () => {
  it('takes 64 levels and refuses the 65th', () => {
    expect(codeOf(nested(64))).toMatch(/^no error/);
    expect(codeOf(nested(65))).toBe('too_deep');
    expect(codeOf(nested(3), { maxDepth: 2 })).toBe('too_deep');
  });

  it('never overflows the stack, whatever the limit', () => {
    expect(codeOf(nested(100_000))).toBe('too_deep');
    expect(codeOf(nested(100_000), { maxDepth: Number.POSITIVE_INFINITY })).toBe('too_deep');
    expect(codeOf(nested(1000), { maxDepth: 1e9 })).toMatch(/^no error/);
    const forEver = (): unknown =>
      new (class {
        toJSON(): unknown {
          return forEver();
        }
      })();
    expect(codeOf(forEver())).toBe('too_deep');
  });

  it('counts bytes of UTF-8, to the byte', () => {
    expect(codeOf('x'.repeat(8), { maxBytes: 10 })).toMatch(/^no error/);
    expect(codeOf('x'.repeat(9), { maxBytes: 10 })).toBe('too_large');
    expect(codeOf('é'.repeat(4), { maxBytes: 10 })).toMatch(/^no error/);
    expect(codeOf('é'.repeat(5), { maxBytes: 10 })).toBe('too_large');
    expect(codeOf('x'.repeat(1_048_574))).toMatch(/^no error/);
    expect(codeOf('x'.repeat(1_048_575))).toBe('too_large');
  });

  it('stops early on what would be huge', () => {
    const hugeArray: unknown[] = [];
    hugeArray.length = 4_000_000_000;
    expect(codeOf(hugeArray)).toBe('too_large');
    expect(codeOf(new Uint8Array(100_000_000))).toBe('too_large');
    let doubling: unknown = 'x';
    for (let i = 0; i < 60; i++) doubling = [doubling, doubling];
    expect(codeOf(doubling)).toBe('too_large');
    expect(codeOf(1n << 10_000_000n)).toBe('too_large');
  });
});

describe('what has no value to compare', () => {
  class Money {
    cents = 5;
  }
  it.each<[string, unknown, RegExp]>([
    ['a function', () => 1, /leave it out/],
    ['a method', { run() {} }, /leave it out/],
    ['a symbol', Symbol('x'), /leave it out/],
    ['a File', new File(['x'], 'x.txt'), /fingerprintBytes/],
    ['a Blob', new Blob(['x']), /fingerprintBytes/],
    ['a FormData', new FormData(), /fingerprintParts/],
    ['a stream', new ReadableStream(), /read it first/],
    ['a promise', Promise.resolve(1), /await it/],
    ['a WeakMap', new WeakMap(), /plain object/],
    ['an instance of a class', new Money(), /toJSON/],
    ['a proxy of one', new Proxy(new Money(), {}), /toJSON/],
    [
      'an object with a made-up Date prototype',
      Object.create(Date.prototype),
      /toJSON method of an instance .* threw/,
    ],
    [
      'an object that calls itself a Map',
      new (class {
        [Symbol.toStringTag] = 'Map';
      })(),
      /is none/,
    ],
    [
      'an object that calls itself a URL',
      new (class {
        [Symbol.toStringTag] = 'URL';
      })(),
      /is none/,
    ],
    [
      'an object that calls itself a String',
      new (class {
        [Symbol.toStringTag] = 'String';
      })(),
      /is none/,
    ],
  ])('%s is refused with what to do', (_, value, advice) => {
    expect(codeOf(value)).toBe('unsupported');
    expect(() => canonicalForm({ deep: [value] })).toThrow(advice);
  });
});

describe('a JSON text', () => {
  it('keeps numbers apart that JavaScript would round to one', () => {
    const forms = [
      '9007199254740992',
      '9007199254740993',
      '1e400',
      '1e401',
      '-1e400',
      '"9007199254740993"',
    ].map((text) => canonicalForm(parseJsonExact(`{"n":${text}}`)));
    expect(new Set(forms).size).toBe(6);
  });

  it('is read as JSON.parse reads it otherwise', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(canonicalForm(parseJsonExact(text))).toBe(canonicalForm(JSON.parse(text)));
      }),
    );
    expect(
      canonicalForm(parseJsonExact('{"a":1,"a":2,"s":"1234567890123456789","n":1234567890123456}')),
    ).toBe('{"a":2,"n":1234567890123456,"s":"1234567890123456789"}');
    expect(canonicalForm(parseJsonExact('{"__proto__":12345678901234567891}'))).toBe(
      '{"__proto__":Json("JsonNumber""12345678901234567891")}',
    );
    expect(() => parseJsonExact('{"a":')).toThrow(SyntaxError);
  });
});
