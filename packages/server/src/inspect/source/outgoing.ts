import type { AnyNode, Expression, SpreadElement } from 'acorn';
import type { Call, Look } from './look.ts';
import { mentions } from './mentions.ts';
import { type Path, printPath } from './paths.ts';

/** What a call looks like it does. `request` and `write` change something somewhere; `read` only asks. */
export interface Outgoing {
  readonly kind: 'request' | 'write' | 'read';
  /** As it's written: `stripe.paymentIntents.create()`. */
  readonly what: string;
}

/**
 * Judges by names that are well known, and by SQL that can be read. What it doesn't recognise it doesn't report: a false
 * alarm costs more trust than a miss.
 *
 * @returns `undefined` for what doesn't look like a call to the outside, and for what goes through the operation's transaction
 */
export function outgoing(call: Call, look: Look): Outgoing | undefined {
  const { node, path } = call;
  if (node.type === 'TaggedTemplateExpression') return taggedSql(call, look);
  if (path === undefined || path[0] === 'tx' || path[0] === 'own') return undefined;
  const what = `${printPath(path)}()`;
  const kind = requestKind(path, node.arguments, look) ?? writeKind(path, node.arguments);
  if (kind === undefined) return undefined;
  return usesTransaction(node, look) ? undefined : { kind, what };
}

const SAFE_METHOD = /^(GET|HEAD|OPTIONS)$/i;
const HTTP_CLIENT = /axios|^(got|ky|superagent|needle|undici|ofetch|\$fetch|wretch)$/i;
const READS = /^(get|head|options|list|find|retrieve|read|search|query|describe|fetch|lookup|stream|json)/i;
/** Software kits whose calls reach a service; also as `stripeClient`, `mailService`. */
const SERVICE =
  /^(stripe|paypal|braintree|adyen|mollie|klarna|gocardless|twilio|sendgrid|sgMail|resend|mailgun|postmark|nodemailer|mailer|mailTransport|transporter|octokit|sns|sqs|ses|s3|eventBridge|kafka|pubsub)(Client|Api|Service|Sdk)?$/i;
const ACTS =
  /^(create|update|upsert|delete|del|remove|confirm|capture|cancel|refund|charge|pay|payout|void|transfer|send|publish|post|put|patch|upload|enqueue|copy)([A-Z].*|$)/;
/** Says what it does whatever it's called on. */
const TELLING = /^(sendMail|sendEmail|sendSms|sendPushNotification)$/;

function requestKind(
  path: Path,
  args: readonly (Expression | SpreadElement)[],
  look: Look,
): 'request' | 'read' | undefined {
  const names = path.filter((name) => name !== '()');
  const last = path.at(-1) ?? '';
  const receivers = names.slice(1, -1);
  if (/^free (globalThis |window |self )?fetch$/.test(path.join(' '))) return fetchKind(args, look);
  if (names[0] === 'free' && HTTP_CLIENT.test(names[1] ?? '')) {
    if (names.length === 2) return methodIn(args[0], look) ?? methodIn(args[1], look) ?? 'read';
    // `axios.create()` and `got.extend()` only make a client.
    if (names.length > 3 || /^(create|extend|isAxiosError|isCancel)$/.test(last)) return undefined;
    return /^(get|head|options)$/.test(last)
      ? 'read'
      : /^(post|put|patch|delete|del)$/.test(last)
        ? 'request'
        : 'read';
  }
  if (/^free https? (request|get)$/.test(path.join(' '))) return last === 'get' ? 'read' : 'request';
  const command = last === 'send' ? commandIn(args[0]) : undefined;
  if (command !== undefined) return command;
  if (TELLING.test(last)) return 'request';
  if (receivers.some((name) => SERVICE.test(name.replace(/^(get|use|create|make)(?=[A-Z])/, '')))) {
    return ACTS.test(last) ? 'request' : READS.test(last) ? 'read' : undefined;
  }
  return undefined;
}

/** `new PutObjectCommand(…)`, as the AWS kit sends them; `GetObjectCommand` only asks. */
function commandIn(argument: Expression | SpreadElement | undefined): 'request' | 'read' | undefined {
  const name =
    argument?.type === 'NewExpression' && argument.callee.type === 'Identifier' ? argument.callee.name : '';
  if (!name.endsWith('Command')) return undefined;
  return /^(Get|List|Describe|Head|Query|Scan|BatchGet)/.test(name) ? 'read' : 'request';
}

/** A `fetch` whose method can't be read is taken for the reading that it is without one. */
function fetchKind([input, init]: readonly (Expression | SpreadElement)[], look: Look): 'request' | 'read' {
  const request = input?.type === 'NewExpression' ? input.arguments[1] : undefined;
  return methodIn(init, look) ?? methodIn(request, look) ?? 'read';
}

function methodIn(
  options: Expression | SpreadElement | undefined,
  look: Look,
): 'request' | 'read' | undefined {
  const object = options && objectIn(options, look);
  const method = object?.properties.find((property) => nameOf(property) === 'method');
  if (method?.type !== 'Property') return undefined;
  const { value } = method;
  if (value.type !== 'Literal' || typeof value.value !== 'string') return undefined;
  return SAFE_METHOD.test(value.value) ? 'read' : 'request';
}

/** An object literal, also where a name stands for it. */
function objectIn(node: AnyNode, look: Look): Extract<AnyNode, { type: 'ObjectExpression' }> | undefined {
  if (node.type === 'ObjectExpression') return node;
  const from = node.type === 'Identifier' ? look.bindings.get(node)?.from : undefined;
  return from?.kind === 'value' && from.value.type === 'ObjectExpression' ? from.value : undefined;
}

const nameOf = (property: AnyNode): string | undefined =>
  property.type === 'Property' && property.key.type === 'Identifier' ? property.key.name : undefined;

const RUNS_SQL =
  /^(query|execute|exec|run|none|one|any|many|manyOrNone|oneOrNone|result|unsafe|\$executeRawUnsafe)$/;
const WRITES_SQL = /^\s*(insert\s+into|update\s|delete\s+from|merge\s+into|truncate\s)/i;
const WITH_WRITES_SQL = /^\s*with\s[\s\S]*\b(insert\s+into|update\s|delete\s+from)/i;
const MODEL_WRITE = /^(create|createMany|createManyAndReturn|update|updateMany|upsert|delete|deleteMany)$/;

function writeKind(path: Path, args: readonly (Expression | SpreadElement)[]): 'write' | undefined {
  // What a function is handed may well be the transaction, under whatever name.
  if (path[0] === 'local') return undefined;
  const last = path.at(-1) ?? '';
  const receivers = path.slice(1, -1);
  const [first] = args;
  if (RUNS_SQL.test(last) && first !== undefined && writesSql(first)) return 'write';
  if (receivers.some((name) => /^prisma/i.test(name)) && MODEL_WRITE.test(last)) return 'write';
  // Query builders: `db.insert(orders)`, `knex('orders').insert(…)`.
  const builder = receivers.at(-1) === '()' ? receivers.at(-2) : receivers.at(-1);
  const isBuilder = /^(db|database|drizzle|knex)$/i.test(builder ?? '');
  return isBuilder && /^(insert|update|delete|del)$/.test(last) ? 'write' : undefined;
}

function writesSql(node: AnyNode): boolean {
  if (node.type === 'ObjectExpression') {
    return node.properties.some(
      (property) => nameOf(property) === 'text' && property.type === 'Property' && writesSql(property.value),
    );
  }
  if (node.type === 'TaggedTemplateExpression') return writesSql(node.quasi);
  const text =
    node.type === 'Literal' && typeof node.value === 'string'
      ? node.value
      : node.type === 'TemplateLiteral'
        ? node.quasis.map(({ value }) => value.raw).join(' ? ')
        : '';
  return WRITES_SQL.test(text) || WITH_WRITES_SQL.test(text);
}

/** `` await sql`INSERT …` ``, where the tag itself is the connection. As an argument it's only a text. */
function taggedSql({ node, path }: Call, look: Look): Outgoing | undefined {
  if (node.type !== 'TaggedTemplateExpression' || !look.awaited.has(node) || !writesSql(node.quasi))
    return undefined;
  if (path === undefined || path[0] !== 'free' || usesTransaction(node.tag, look)) return undefined;
  return { kind: 'write', what: `${printPath(path)}\`…\`` };
}

/** The transaction is the receiver, is handed over, or is what the receiver was made of. */
export function usesTransaction(node: AnyNode, look: Look): boolean {
  return mentions(node, look, (path) => path[0] === 'tx' || isOperationsTx(path, look));
}

const isOperationsTx = (path: Path, look: Look): boolean => {
  const at = path.indexOf('tx');
  return at > 0 && look.isOperation(path.slice(0, at));
};
