/** Several problems, which an administrator reads one below the other, for a line of the log. */
export const inOneLine = (message: string): string =>
  message.replaceAll(/:\n\s*/g, ': ').replaceAll(/\n\s*/g, '; ')
