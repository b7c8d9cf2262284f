// @ts-check
// The page: what comes from the ranker, and what somebody does with it.
import { Chart } from './chart.js';
import { clusterFailed, clusterNews, writeCluster } from './cluster.js';
import { Feed } from './feed.js';
import { writeHeadline } from './headline.js';
import { History, shownMs } from './history.js';
import { tell, tellNodes, tellReleases, title } from './news.js';
import { NodeTable } from './nodes.js';
import { panels } from './panels.js';
import { date, duration, time, write } from './units.js';

/** @import { ClusterStatus } from '../src/host/cluster-status.ts' */
/** @import { Remote } from './figures.js' */
/** @import { Scrape } from './metrics.js' */

/** For those who want less motion, charts move only this often. */
const calmMs = 10_000;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/** @param {string} id */
const part = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const ago = /** @type {HTMLInputElement} */ (part('ago'));
const token = /** @type {HTMLInputElement} */ (part('token'));

const past = new History();
const feed = new Feed({ scraped, failed, refused, clustered, clusterFailed });
const table = new NodeTable(part('rows'), /** @type {HTMLTemplateElement} */ (part('node')));
const charts = panels.map((panel) => {
  const template = /** @type {HTMLTemplateElement} */ (part('chart'));
  const root = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  part('charts').append(root);
  return new Chart(root, panel, lookAt);
});
let drawnAt = 0;
let paused = false;
let asking = false;
let failing = false;

/** @param {Scrape} scrape */
function scraped(scrape) {
  if (failing || asking) tell('The figures are back.');
  failing = false;
  part('problem').hidden = true;
  answered();
  part('figures').hidden = false;
  document.body.classList.remove('stale');
  const figures = past.add(scrape);
  part('state').textContent = `live, ${time(scrape.at)}`;
  part('since').textContent = figures.since ? upSince(figures.since * 1_000, scrape.at) : '';
  writeHeadline(figures);
  writeNodes(figures.remote);
  draw(scrape.at);
}

/** @param {string} reason */
function failed(reason) {
  if (!failing) tell(`There are no figures: ${reason}.`);
  failing = true;
  stale('No figures');
  const { last } = past;
  const now = Date.now();
  const since = last ? `since ${time(last.at)} (${duration((now - last.at) / 1_000)})` : 'yet';
  part('problem').textContent = `No figures ${since}: ${reason}. This page asks again every second.`;
  part('problem').hidden = false;
  draw(now);
}

/** @param {boolean} again */
function refused(again) {
  asking = true;
  follow();
  stale('Token');
  part('problem').hidden = true;
  part('ask').hidden = false;
  part('refused').textContent = again ? 'The ranker refused this token.' : '';
  token.value = '';
  token.focus();
}

/** @param {ClusterStatus | undefined} status */
function clustered(status) {
  writeCluster(status);
  if (status) tellReleases(clusterNews(status));
}

/** Hides the form, if there is one. */
function answered() {
  asking = false;
  const focused = part('ask').contains(document.activeElement);
  part('ask').hidden = true;
  if (focused) part('main').focus();
}

/** What is shown is old. @param {string} why in a few words */
function stale(why) {
  document.body.classList.add('stale');
  part('state').textContent = why.toLowerCase();
  title(why);
}

/** Asks the ranker as long as somebody looks. */
function follow() {
  feed.running = !paused && !asking && !document.hidden;
}

/** @param {number} since @param {number} now both in milliseconds */
function upSince(since, now) {
  return `up ${duration((now - since) / 1_000)}, since ${date(since)}`;
}

/** @param {Remote | undefined} remote */
function writeNodes(remote) {
  part('local').hidden = remote !== undefined;
  part('table').hidden = remote === undefined;
  const { lookups, subrequests, retries, cache } = remote ?? {};
  const rates = remote
    ? { lookups, subrequests, retries, ...(cache && { 'bags from the cache': cache.found }) }
    : {};
  const texts = Object.entries(rates).map(([what, rate]) => `${what} ${write(rate)}/s`);
  part('lookups').textContent = texts.join(', ');
  table.write(remote?.nodes ?? []);
  tellNodes(remote?.nodes ?? []);
}

/** @param {number} now the time at the right edge of charts, in milliseconds */
function draw(now) {
  if (!calm.matches || Math.abs(now - drawnAt) >= calmMs) {
    for (const chart of charts) chart.draw(past.moments, now);
    drawnAt = now;
  }
  writeValues();
}

/** Writes the values of the time that somebody looks at. */
function writeValues() {
  const { last } = past;
  if (!last) return;
  const back = Number(ago.value) * 1_000;
  const moment = back === 0 ? last : (past.nearest(last.at + back) ?? last);
  for (const chart of charts) chart.write(moment, back === 0 ? undefined : moment.at);
  const shown = back === 0 ? 'now' : time(moment.at);
  part('shown').textContent = shown;
  ago.setAttribute('aria-valuetext', shown);
}

/** @param {number | undefined} at milliseconds; undefined: now */
function lookAt(at) {
  ago.valueAsNumber = at === undefined || !past.last ? 0 : Math.round((at - past.last.at) / 1_000);
  writeValues();
}

ago.min = String(-shownMs / 1_000);
ago.addEventListener('input', writeValues);
document.addEventListener('visibilitychange', follow);
part('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  feed.token = token.value;
  asking = false;
  follow();
});
part('pause').addEventListener('click', () => {
  paused = !paused;
  part('pause').setAttribute('aria-pressed', String(paused));
  if (paused) part('state').textContent = `paused, ${time(past.last?.at ?? Date.now())}`;
  follow();
});
part('host').textContent = location.host;
follow();
