import type { State } from './action.ts';
import { byId, el, fill } from './element.ts';
import { readOrder } from './order.ts';
import { createPanel } from './panel.ts';
import { createPayment } from './payment.ts';
import { createPayout, payoutIn } from './payout.ts';
import { createShop } from './shop.ts';
import { createTimeline } from './timeline.ts';
import { createWeather, type Weather } from './weather.ts';
import { wordsFor } from './words.ts';

const query = new URL(location.href).searchParams;
const isPayout = query.get('view') === 'payout';
const clickAtOnce = query.has('click');
const order = readOrder(location.href);
const payoutId = payoutIn(location.href);

const timeline = createTimeline(isPayout ? payoutId : order.cart);
const weather = createWeather(timeline);
const shop = createShop(weather);
const { thing, noun, intent, action, draw, entries, label, startAnew } = isPayout
  ? createPayout({ shop, weather, timeline, id: payoutId })
  : createPayment({ shop, weather, timeline, order });

const button = el('button', { type: 'button', id: 'pay', class: 'pay' });
byId('button').append(button);
document.title = `${isPayout ? 'Payout' : 'Checkout'} · Halm Tea`;
for (const link of document.querySelectorAll<HTMLElement>('[data-view]')) {
  if (link.dataset.view === thing) link.setAttribute('aria-current', 'page');
}

function show(): void {
  const { state } = action;
  const words = wordsFor(state, thing);
  byId('page').dataset.state = state.name;
  const status = byId('status');
  if (words === undefined) {
    status.hidden = true;
    fill(status);
  } else {
    status.hidden = false;
    status.dataset.tone = words.tone;
    fill(status, el('strong', {}, words.title), words.text !== '' && el('p', {}, words.text));
  }
  byId('title').textContent = state.name === 'done' ? 'Thank you' : isPayout ? 'Payout' : 'Your order';
  button.textContent = buttonFor(state);
  button.classList.toggle('second', ['done', 'conflict', 'unknown'].includes(state.name));
  button.toggleAttribute('data-busy', ['working', 'checking'].includes(state.name));
  button.setAttribute('aria-busy', String(['working', 'checking'].includes(state.name)));
  byId('fine').textContent = fineFor(state);
  document.title = `${words?.title ?? (isPayout ? 'Payout' : 'Checkout')} · Halm Tea`;
  panel.refresh();
}

function buttonFor(state: State<unknown>): string {
  switch (state.name) {
    case 'loading':
    case 'ready':
      return label();
    case 'refused':
      return `Try again: ${label()}`;
    case 'working':
    case 'checking':
      return 'One moment…';
    case 'offline':
      return 'Waiting for the network';
    case 'unknown':
      return 'Ask again';
    case 'conflict':
      return 'Show what was begun';
    case 'done':
      return isPayout ? 'New payout' : 'New order';
  }
}

function fineFor(state: State<unknown>): string {
  if (state.name === 'conflict') return '';
  if (state.name !== 'done') return 'Click as often as you like: it happens once.';
  if (isPayout) return 'A worker did it once, and this is its answer, however often it is asked for.';
  if (state.replayed === true)
    return 'The server gave its first answer again. Nothing was done a second time.';
  return 'The server did it, and this is its answer.';
}

/** A double click whose first half was answered at once isn't meant for the button that stands there now. */
const HASTE_MS = 800;
let doneAt = 0;
action.onChange(() => {
  if (action.state.name !== 'done') doneAt = 0;
  else doneAt ||= performance.now();
});

function click(): void {
  switch (action.state.name) {
    case 'done':
      if (performance.now() - doneAt > HASTE_MS) startAnew();
      return;
    case 'conflict':
      void action.showFirst();
      return;
    case 'unknown':
      void action.findOut();
      return;
    case 'loading':
    case 'ready':
    case 'refused':
      timeline.note('Clicked');
      break;
    case 'working':
    case 'checking':
    case 'offline': // joins what is under way
  }
  void action.run();
}
button.addEventListener('click', click);

/** A switch of the panel: `role="switch"`, by mouse and by keyboard. */
function connect(name: keyof Weather, id: string): void {
  const control = byId<HTMLButtonElement>(id);
  const draw = () => control.setAttribute('aria-checked', String(weather.state[name]));
  control.addEventListener('click', () => weather.set({ [name]: !weather.state[name] }));
  weather.onChange(draw);
  draw();
}
connect('offline', 'switch-offline');
connect('slow', 'switch-slow');
connect('loseNext', 'switch-lose');

byId('act-double').addEventListener('click', () => {
  click();
  click();
});
byId('act-reload').addEventListener('click', () => {
  const stop = shop.semel.on('attempt', () => {
    stop();
    setTimeout(() => location.reload(), 15); // it has left; its answer hasn't come
  });
  click();
});
const tab = byId<HTMLAnchorElement>('act-tab');
const pointTab = () => {
  tab.href = location.href;
};
tab.addEventListener('focus', pointTab);
tab.addEventListener('pointerenter', pointTab);
byId('act-both').addEventListener('click', () => {
  const other = new URL(location.href);
  other.searchParams.set('click', '');
  open(other, '_blank', 'noopener');
  click();
});

const panel = createPanel({ shop, intent, timeline, entries, noun, thing });
action.onChange(show);
draw();
pointTab();
show();
// First the truth about what was begun before; only then is a click a new one.
if (clickAtOnce) click();
else void action.findOut();
