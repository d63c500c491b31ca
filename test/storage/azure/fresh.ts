import type { AzureOptions, Surroundings } from '../../../storage/options.ts'
import { ACCOUNT, ACCOUNT_KEY, type FakeService } from './fake-service.ts'

/** Options for a container of the fake service. */
export function optionsFor(
  { url }: Pick<FakeService, 'url'>,
  container: string,
  more: Partial<AzureOptions> = {}
): AzureOptions {
  return {
    accountname: ACCOUNT,
    container,
    credentials: { type: 'shared_key', accountkey: ACCOUNT_KEY },
    realm: 'core.windows.net',
    serviceurl: url,
    rootdirectory: undefined,
    legacyrootprefix: undefined,
    islegacy: false,
    max_retries: 5,
    retry_delay: 1,
    skipverify: false,
    ...more
  }
}

/** Surroundings that write down what is logged. */
export function surroundings(more: Partial<Surroundings> = {}): Surroundings & { lines: string[] } {
  const lines: string[] = []
  return {
    env: {},
    memory: 64 << 20,
    isReadOnly: false,
    redirectSeconds: 600,
    log: { info: (text) => lines.push(`info: ${text}`), warn: (text) => lines.push(`warn: ${text}`) },
    ...more,
    lines
  }
}
