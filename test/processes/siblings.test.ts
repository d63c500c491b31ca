import t from 'tap'
import { type Correspondent, createRelay } from '../../src/processes/relay.ts'
import { createSiblings } from '../../src/processes/siblings.ts'
import type { Siblings } from '../../src/registry/registry.ts'

interface Member extends Correspondent {
  siblings: Siblings
}

/** Workers and the primary between them; messages travel as they do between processes, later and as JSON. */
function pod(count: number) {
  const relay = createRelay()
  const members = Array.from({ length: count }, (): Member => {
    const post = <T>(to: (message: T) => void, message: T): void => {
      setImmediate(to, JSON.parse(JSON.stringify(message)))
    }
    const { siblings, receive } = createSiblings((message) => post((m) => relay.receive(member, m), message))
    const member = { siblings, send: (message: Parameters<typeof receive>[0]) => post(receive, message) }
    relay.join(member)
    return member
  })
  return { relay, members: members as [Member, Member, Member] }
}

const NEVER = new Promise<undefined>(() => {})

t.test('a question reaches all siblings but its asker, and comes back with their answers', async (t) => {
  const { members } = pod(3)
  for (const [index, { siblings }] of members.entries()) {
    siblings.onQuestion('who', (question) => `${question} ${index}`)
    siblings.onQuestion('who is the last', async () => (index === 2 ? 'I' : undefined))
  }
  const [{ siblings }, second] = members
  t.strictSame((await siblings.ask('who', 'number', 5000)).sort(), ['number 1', 'number 2'])
  t.strictSame(await siblings.ask('who is the last', '', 5000), ['I'])
  t.strictSame(
    await Promise.all([siblings.ask('who', 'a', 5000), second.siblings.ask('who', 'b', 5000)]),
    [
      ['a 1', 'a 2'],
      ['b 0', 'b 2']
    ],
    'questions do not get into one another'
  )
})

t.test('an only process has nobody to ask', async (t) => {
  const { members } = pod(1)
  t.strictSame(await members[0].siblings.ask('who', '', 5000), [])
})

t.test('who does not know a topic, or fails to answer, has no answer', async (t) => {
  const { members } = pod(3)
  const [{ siblings }, second] = members
  second.siblings.onQuestion('who', () => {
    throw new Error('disk on fire')
  })
  t.strictSame(await siblings.ask('who', '', 5000), [])
})

t.test('nobody waits for the dead', async (t) => {
  const { relay, members } = pod(3)
  const [{ siblings }, second, third] = members
  second.siblings.onQuestion('who', () => NEVER)
  third.siblings.onQuestion('who', () => 'third')
  const asked = siblings.ask('who', '', 5000)
  setTimeout(() => relay.leave(second), 20)
  t.strictSame(await asked, ['third'])
  t.strictSame(await siblings.ask('who', '', 5000), ['third'], 'and nobody asks them')
})

t.test('a sibling that stays silent is waited for only so long', async (t) => {
  const { members } = pod(2)
  const [{ siblings }, second] = members
  second.siblings.onQuestion('who', () => NEVER)
  t.strictSame(await siblings.ask('who', '', 50), [])
})

t.test('the primary asks all of them, and waits for all but the dead', async (t) => {
  const { relay, members } = pod(3)
  const [first, second, third] = members
  first.siblings.onQuestion('who', (question) => `${question} 0`)
  second.siblings.onQuestion('who', (question) => `${question} 1`)
  third.siblings.onQuestion('who', () => NEVER)
  const answers = relay.ask('who', 'number')
  setTimeout(() => relay.leave(third), 50)
  t.strictSame((await answers).sort(), ['number 0', 'number 1'])
  t.strictSame(await createRelay().ask('who', 'anybody there'), [])
})
