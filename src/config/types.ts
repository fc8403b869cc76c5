/** Keys and list positions from the top of the settings tree. */
export type Path = readonly (string | number)[];

/** Something worth knowing that does not stop Lares: an old name, an open file, a secret in clear. */
export interface Notice {
  readonly level: 'info' | 'warning';
  readonly message: string;
  /** The setting it is about, or the file. */
  readonly subject: string;
  /** What to do about it; a command where there is one. */
  readonly fix?: string;
}
