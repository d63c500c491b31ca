/** Who a caller is, as the API server knows them. Kubernetes API: authentication.k8s.io/v1 "UserInfo". */
export interface UserInfo {
  readonly username: string
  /** Empty where the authenticator gives none. */
  readonly uid: string
  readonly groups: readonly string[]
  /** What else the authenticator knows, scopes that narrow a token among it. */
  readonly extra: Readonly<Record<string, readonly string[]>>
}
