import { type ZodType, z } from 'zod';

/** As much of a JSON Schema as is read here. */
export interface JsonSchema {
  readonly [member: string]: unknown;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly description?: string;
}

export interface ConvertedSchema {
  /** Itself, with what it refers to by `#/components/schemas/…`. */
  readonly schema: JsonSchema;
  /** Schemas that have an id (`.meta({ id })`), by it. */
  readonly named: Readonly<Record<string, JsonSchema>>;
  /** Its own id, where it has one. */
  readonly id: string | undefined;
}

/**
 * A schema as OpenAPI 3.1 takes it (JSON Schema 2020-12), by zod's own converter. Objects stay open: a member that is
 * added later must not break a client that was generated before.
 */
export function jsonSchemaOf(schema: ZodType, io: 'input' | 'output'): ConvertedSchema {
  const holder = z.object({ schema });
  const converted = z.toJSONSchema(holder, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const loose = jsonSchema as Record<string, unknown>;
      if (loose.additionalProperties === false) delete loose.additionalProperties;
      if (loose.format === 'date-time') delete loose.pattern; // the format says it, shorter
      if (loose.minimum === Number.MIN_SAFE_INTEGER) delete loose.minimum;
      if (loose.maximum === Number.MAX_SAFE_INTEGER) delete loose.maximum;
      delete loose.id;
    },
  }) as JsonSchema & { readonly $defs?: Record<string, JsonSchema> };
  const moved = JSON.parse(
    JSON.stringify(converted).replaceAll('"#/$defs/', '"#/components/schemas/'),
  ) as typeof converted;
  const named = moved.$defs ?? {};
  const found = moved.properties?.schema ?? {};
  const id = /^#\/components\/schemas\/(.+)$/.exec(String(found.$ref))?.[1];
  return { schema: id === undefined ? found : (named[id] ?? {}), named, id };
}
