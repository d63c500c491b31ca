import { run } from '../support/processes.ts'

/** What docs/clients.md says of a client beside what was tried. */
export interface About {
  client: string
  version: string
  /** What it takes to speak plain HTTP to a registry on this machine, and what else one should know. In Markdown. */
  note: string
}

/** Says which client a check is of. */
export function about(client: About): void {
  console.log(`# about: ${JSON.stringify(client)}`)
}

/** What a command says that its version is. */
export async function versionOf(command: string): Promise<string> {
  const { stdout } = await run(command, ['--version'])
  const version = /\d+\.\d+\S*/.exec(stdout)?.[0]
  if (version === undefined) throw new Error(`${command} does not say its version: ${stdout}`)
  return version
}
