internal import GRDB

/// The tables of `coordinator.sqlite`. A migration that has been released is never changed; a new one follows it.
enum CoordinatorSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 partners, plans, rounds") { database in
      try database.execute(sql: partners)
      try database.execute(sql: plans)
      try database.execute(sql: rounds)
    }
    migrator.registerMigration("2 successions of the signing key") { database in
      try database.execute(
        sql: "CREATE TABLE successions (number INTEGER PRIMARY KEY AUTOINCREMENT, bytes BLOB NOT NULL) STRICT")
    }
    migrator.registerMigration("3 refusals of partners") { try $0.execute(sql: refusals) }
    migrator.registerMigration("4 signatures of survivors") {
      try $0.execute(sql: "ALTER TABLE releases ADD COLUMN witness TEXT")
    }
    return migrator
  }

  /// Times are seconds since 1970-01-01 00:00 UTC; digests, keys and sessions are raw bytes.
  private static let partners = """
    CREATE TABLE participants (
      participant INTEGER PRIMARY KEY CHECK (participant BETWEEN 1 AND 4294967295),
      name TEXT NOT NULL UNIQUE,
      verificationKey BLOB NOT NULL UNIQUE CHECK (length(verificationKey) = 32),
      enrolledAt INTEGER NOT NULL,
      revokedAt INTEGER,
      instance BLOB CHECK (length(instance) = 16)
    ) STRICT;
    CREATE TABLE certificates (
      fingerprint BLOB PRIMARY KEY CHECK (length(fingerprint) = 32),
      serial TEXT NOT NULL UNIQUE,
      participant INTEGER NOT NULL REFERENCES participants,
      notAfter INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE invitations (
      secretHash BLOB PRIMARY KEY CHECK (length(secretHash) = 32),
      name TEXT NOT NULL,
      createdAt INTEGER NOT NULL,
      expiresAt INTEGER NOT NULL,
      withdrawnAt INTEGER,
      participant INTEGER REFERENCES participants,
      application BLOB,
      certificate TEXT
    ) STRICT;
    CREATE TABLE rosters (version INTEGER PRIMARY KEY, bytes BLOB NOT NULL, issuedAt INTEGER NOT NULL) STRICT;
    CREATE TABLE statements (
      participant INTEGER NOT NULL REFERENCES participants,
      number INTEGER NOT NULL,
      kind INTEGER NOT NULL,
      plan BLOB NOT NULL,
      bytes BLOB NOT NULL,
      receivedAt INTEGER NOT NULL,
      PRIMARY KEY (participant, number)
    ) STRICT;
    CREATE TABLE partnerLedgers (
      participant INTEGER NOT NULL REFERENCES participants,
      dataset TEXT NOT NULL,
      size INTEGER NOT NULL,
      head BLOB NOT NULL,
      PRIMARY KEY (participant, dataset)
    ) STRICT;
    """

  /// The last attempt of a plan that each partner refused; `stands` while it would refuse the next one for the same reason.
  private static let refusals = """
    CREATE TABLE refusals (
      session BLOB NOT NULL REFERENCES plans,
      participant INTEGER NOT NULL REFERENCES participants,
      round INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      reason INTEGER NOT NULL,
      refusedAt INTEGER NOT NULL,
      stands INTEGER NOT NULL,
      PRIMARY KEY (session, participant)
    ) STRICT;
    """

  private static let plans = """
    CREATE TABLE plans (
      session BLOB PRIMARY KEY CHECK (length(session) = 16),
      number INTEGER NOT NULL UNIQUE,
      hash BLOB NOT NULL UNIQUE,
      bytes BLOB NOT NULL,
      signature BLOB NOT NULL,
      roster BLOB NOT NULL,
      catalogue BLOB NOT NULL,
      createdAt INTEGER NOT NULL,
      endedAt INTEGER,
      end TEXT
    ) STRICT;
    CREATE TABLE lease (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      holder TEXT NOT NULL,
      token INTEGER NOT NULL,
      expiresAt REAL NOT NULL
    ) STRICT;
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
    """

  private static let rounds = """
    CREATE TABLE checkpoints (session BLOB PRIMARY KEY REFERENCES plans, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE attempts (
      session BLOB NOT NULL REFERENCES plans,
      round INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      openedAt INTEGER NOT NULL,
      start BLOB,
      endedAt INTEGER,
      outcome TEXT,
      farewell BLOB,
      ordinals BLOB,
      PRIMARY KEY (session, round, attempt)
    ) STRICT;
    CREATE UNIQUE INDEX openAttempt ON attempts (session) WHERE endedAt IS NULL;
    CREATE TABLE events (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      session BLOB NOT NULL,
      round INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      time INTEGER NOT NULL,
      generation INTEGER,
      participant INTEGER,
      kind INTEGER,
      payload BLOB,
      file TEXT,
      digest BLOB,
      FOREIGN KEY (session, round, attempt) REFERENCES attempts
    ) STRICT;
    CREATE INDEX eventsOfAttempt ON events (session, round, attempt, sequence);
    CREATE TABLE noisedSums (
      session BLOB NOT NULL,
      round INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      entries BLOB NOT NULL,
      PRIMARY KEY (session, round, attempt)
    ) STRICT;
    CREATE TABLE releases (
      session BLOB NOT NULL REFERENCES plans,
      round INTEGER NOT NULL,
      version INTEGER NOT NULL,
      attempt INTEGER NOT NULL,
      statement BLOB NOT NULL,
      model BLOB,
      name TEXT NOT NULL,
      evaluation TEXT,
      epsilon REAL,
      partners INTEGER NOT NULL,
      releasedAt INTEGER NOT NULL,
      PRIMARY KEY (session, round)
    ) STRICT;
    """
}
