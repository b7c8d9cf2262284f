// @ts-check
// The figures of now, in large digits.
import { failures, none, seconds, whole, write } from './units.js';

/** @import { Failing, Figure, Figures, Remote } from './figures.js' */

/** @param {string} id @param {string} text */
function say(id, text) {
  const element = document.getElementById(id);
  if (element && element.textContent !== text) element.textContent = text;
}

/** @param {string} id @param {boolean} bad */
function alarm(id, bad) {
  document.getElementById(id)?.classList.toggle('bad', bad);
}

/** @param {Figures} figures */
export function writeHeadline({ requests, candidates, latency, queue, running, errors, totals, remote }) {
  say('requests', write(requests));
  say('requests-note', `${whole(totals.requests)} since the start`);
  say('candidates', write(candidates));
  say('candidates-note', requests && candidates ? `${write(candidates / requests)} per request` : '');
  say('p50', write(latency.p50, seconds));
  say('p99', write(latency.p99, seconds));
  say('queue', whole(queue));
  say('queue-note', `${whole(running)} ${running === 1 ? 'batch' : 'batches'} running`);
  writeErrors(errors, requests !== undefined, totals.threadRestarts);
  writeNodes(remote);
}

/** @param {readonly Failing[]} errors @param {boolean} known @param {Figure} threadRestarts */
function writeErrors(errors, known, threadRestarts) {
  const sum = errors.reduce((all, { rate = 0 }) => all + rate, 0);
  say('errors', known ? write(sum) : none);
  alarm('errors', sum > 0);
  const total = errors.reduce((all, { total }) => all + total, 0);
  const threads = threadRestarts ? `; network threads replaced: ${whole(threadRestarts)}` : '';
  say('errors-note', `${sum > 0 ? failures(errors) : `${whole(total)} since the start`}${threads}`);
}

/** @param {Remote | undefined} remote */
function writeNodes(remote) {
  const { nodes = [] } = remote ?? {};
  const down = nodes.filter(({ up }) => !up).map(({ name }) => name);
  const element = /** @type {HTMLElement} */ (document.getElementById('nodes-up'));
  element.hidden = !remote;
  say('up', `${nodes.length - down.length} of ${nodes.length}`);
  alarm('up', down.length > 0);
  say('up-note', down.length > 0 ? `down: ${down.join(', ')}` : '');
}
