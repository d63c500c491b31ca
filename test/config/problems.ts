import type { Test } from 'tap'
import { ConfigError } from '../../src/config/config.ts'
import { readConfig } from '../../src/config/read.ts'

/** The problems of these settings; none when they are right. */
export async function problemsOf(env: Record<string, string>, file?: string): Promise<readonly string[]> {
  try {
    await readConfig(env, file)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}

/** The path of a file with this text. */
export const fileWith = (t: Test, text: string): string => `${t.testdir({ 'config.yml': text })}/config.yml`
