import { writeFileSync } from 'node:fs'
import t from 'tap'
import { startBerth } from '../integration/support/processes.ts'
import { parseLines } from '../operations/logs/support.ts'

/** Two faults that nothing catches, once the file `now` is there. */
const FAULTS = {
  'an error': "throw new Error('a fault on purpose')",
  'a promise': "Promise.reject(new Error('a fault on purpose'))"
}

for (const [what, fault] of Object.entries(FAULTS)) {
  t.test(`a process that ends by ${what} that nobody catches says so in its log's last line`, async (t) => {
    const folder = t.testdir({
      'fault.mjs': `import { existsSync } from 'node:fs'
        const timer = setInterval(() => {
          if (!existsSync(new URL('now', import.meta.url))) return
          clearInterval(timer)
          ${fault}
        }, 10).unref()`
    })
    const command = [process.execPath, '--import', `${folder}/fault.mjs`, 'src/main.ts'] as const
    const server = await startBerth({ command, env: { REGISTRY_HTTP_PROCESSES: '1' } })
    writeFileSync(`${folder}/now`, '')
    await server.exited
    t.match(parseLines(server.log()).at(-1), {
      level: 'fatal',
      msg: /^a fault of berth/,
      error: 'a fault on purpose',
      stack: /fault\.mjs/
    })
  })
}
