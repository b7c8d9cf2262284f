// The proxy that a runtime's `fetch` uses because of its environment. Errors name it, so that the reader knows which
// server was asked.

interface Environment {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly execArgv?: readonly string[];
  readonly versions?: Readonly<Record<string, string | undefined>>;
}

/** Whether the runtime uses the proxy of its environment, if there is one. */
export function heedsProxy(): boolean {
  const { process = {} } = globalThis as { readonly process?: Environment };
  return heeds(process);
}

/** Returns " through the proxy http://host:port" if requests to this address use a proxy, otherwise "". */
export function byProxy(url: string): string {
  const { process = {} } = globalThis as { readonly process?: Environment };
  const { hostname, protocol } = new URL(url);
  const proxy = given(process, protocol === 'https:' ? 'https_proxy' : 'http_proxy');
  if (proxy === undefined || !URL.canParse(proxy) || !heeds(process)) return '';
  const exempt = (given(process, 'no_proxy') ?? '').split(/[\s,]+/).filter((name) => name !== '');
  if (exempt.some((name) => matches(hostname, name))) return '';
  // Only the origin, because the URL may contain a password.
  return ` through the proxy ${new URL(proxy).origin}`;
}

function given({ env = {} }: Environment, name: string): string | undefined {
  return env[name] || env[name.toUpperCase()] || undefined;
}

/** Whether the runtime uses the proxy of its environment. Bun and Deno always do; Node.js only if it is told to. */
function heeds({ env = {}, execArgv = [], versions = {} }: Environment): boolean {
  if (versions.bun !== undefined || versions.deno !== undefined) return true;
  const options = [...execArgv, ...(env.NODE_OPTIONS ?? '').split(' ')];
  return env.NODE_USE_ENV_PROXY === '1' || options.includes('--use-env-proxy');
}

function matches(host: string, name: string): boolean {
  const suffix = name
    .replace(/:\d+$/, '')
    .replace(/^\*?\.?/, '')
    .toLowerCase();
  return suffix === '' || host === suffix || host.endsWith(`.${suffix}`);
}
