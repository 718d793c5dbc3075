/** A catalog in PostgreSQL 13 or later, which any number of machines share. Needs the optional peer `pg`. */
export interface PostgresLocation {
  type: 'postgres'
  /**
   * `postgres://user:password@host:5432/database`. To another machine the connection is by TLS with a certificate that is checked, unless
   * the URL says `?sslmode=disable`.
   */
  url: string
  /** The schema that the tables lie in, made when it does not exist. @defaultValue 'stowage' */
  schema?: string
  /** Connections at the same time. @defaultValue 10 */
  maxConnections?: number
  tls?: {
    /** Path of a PEM file with the certificates to trust in place of the system's. */
    ca?: string
  }
}
