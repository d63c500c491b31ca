const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/

/** Whether it can be the name of a namespace: an RFC 1123 label, which is safe in a path as it is. */
export const isNamespaceName = (text: string): boolean => LABEL.test(text)
