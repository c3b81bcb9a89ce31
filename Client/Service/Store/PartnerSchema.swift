internal import GRDB

/// The tables of a partner's database, as they grew.
enum PartnerSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: a partner") { try $0.execute(sql: first) }
    migrator.registerMigration("2: earlier keys of the coordinator") { try $0.execute(sql: earlierKeys) }
    migrator.registerMigration("3: a budget belongs to people") { try $0.execute(sql: second) }
    migrator.registerMigration("4: data sets can be removed") { try $0.execute(sql: removal) }
    migrator.registerMigration("5: plans that gave way to another") { try $0.execute(sql: replacement) }
    migrator.registerMigration("6: the coordinator's ledger is followed") { try $0.execute(sql: following) }
    migrator.registerMigration("7: events that come while serving") { try $0.execute(sql: serving) }
    migrator.registerMigration("8: the first cap of a ledger") { try $0.execute(sql: firstCap) }
    migrator.registerMigration("9: what evaluations said") { try $0.execute(sql: evaluations) }
    migrator.registerMigration("10: users are found without reading others") { try $0.execute(sql: usersByRow) }
    return migrator
  }

  /// Without rowids the tree is ordered by whole rows: every comparison on the way to a user read all pages of another user's history,
  /// which was most of what a first list cost.
  private static let usersByRow = """
    CREATE TABLE shardUserByRow (
      dataSet TEXT NOT NULL REFERENCES dataSet ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
      items BLOB NOT NULL, weights BLOB NOT NULL, heldOut BLOB NOT NULL, negatives BLOB NOT NULL,
      PRIMARY KEY (dataSet, position)
    );
    INSERT INTO shardUserByRow SELECT dataSet, position, name, items, weights, heldOut, negatives FROM shardUser
      ORDER BY dataSet, position;
    DROP TABLE shardUser;
    ALTER TABLE shardUserByRow RENAME TO shardUser;
    CREATE INDEX shardUserByName ON shardUser (dataSet, name);
    """

  /// Keys that signed before the pinned one, each with the succession that ended its time.
  private static let earlierKeys = """
    CREATE TABLE earlierKey (
      number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, succession BLOB NOT NULL, trustedAt INTEGER NOT NULL
    );
    """

  /// Who was in a data set that was removed, as keyed digests: a new import of the same users finds their ledger.
  private static let removal = """
    ALTER TABLE dataSet ADD COLUMN removedAt INTEGER;
    CREATE TABLE formerUser (
      ledger TEXT NOT NULL REFERENCES ledger, digest BLOB NOT NULL, PRIMARY KEY (ledger, digest)
    ) WITHOUT ROWID;
    """

  /// Set where a plan ended because the coordinator works on another; how it ended in words is anybody's text.
  private static let replacement = "ALTER TABLE plan ADD COLUMN isReplaced INTEGER NOT NULL DEFAULT 0"

  /// The coordinator's ledger as it was shown at the newest start, and who signed under which of its heads, as JSON.
  private static let following = """
    CREATE TABLE shownHead (session TEXT PRIMARY KEY, size INTEGER NOT NULL, head BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE witness (session TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    """

  /// What evaluation releases said, checked before it is kept: the coordinator's signed word and what it leads to (`EvaluationDocument`).
  private static let evaluations = """
    CREATE TABLE evaluation (
      session TEXT NOT NULL, round INTEGER NOT NULL, document BLOB NOT NULL, PRIMARY KEY (session, round)
    ) WITHOUT ROWID;
    """

  /// Events that `serve` took in, as they came. What is trained on stands in `shardUser` too, in the same transaction, and makes the
  /// data set's revision grow: a round that begins reads it again.
  private static let serving = """
    ALTER TABLE dataSet ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
    -- Users before the first came while serving; NULL while none has.
    ALTER TABLE dataSet ADD COLUMN importedUsers INTEGER;
    CREATE TABLE servedEvent (
      number INTEGER PRIMARY KEY AUTOINCREMENT, dataSet TEXT NOT NULL REFERENCES dataSet ON DELETE CASCADE,
      user TEXT NOT NULL, item TEXT NOT NULL,
      -- Index in the data set's catalogue; NULL for an item that is not in it.
      position INTEGER, kind TEXT, weight REAL NOT NULL, happenedAt INTEGER, receivedAt INTEGER NOT NULL,
      -- The sender's own name of the event; one that comes again is not counted again.
      name TEXT, isTrained INTEGER NOT NULL
    );
    CREATE INDEX servedEventByUser ON servedEvent (dataSet, user);
    CREATE UNIQUE INDEX servedEventByName ON servedEvent (dataSet, name) WHERE name IS NOT NULL;
    """

  /// The cap under which a ledger's first charges were made; NULL while the cap was not changed since.
  private static let firstCap = """
    ALTER TABLE ledger ADD COLUMN firstEpsilon REAL;
    ALTER TABLE ledger ADD COLUMN firstDelta REAL;
    """

  private static let first = """
    -- Who this partner is in the task, and what it pinned when it enrolled.
    CREATE TABLE enrolment (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      task TEXT NOT NULL, participant INTEGER NOT NULL, name TEXT NOT NULL, identity TEXT NOT NULL,
      coordinatorKey TEXT NOT NULL, authority TEXT NOT NULL, trainingAddress TEXT NOT NULL, enrolledAt INTEGER NOT NULL
    );
    -- Signed rosters as they came; the newest is pinned.
    CREATE TABLE roster (version INTEGER PRIMARY KEY, bytes BLOB NOT NULL, receivedAt INTEGER NOT NULL);
    CREATE TABLE catalogue (hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
    -- The partner's data, imported once, with the most that they may ever spend; ledgers are files.
    CREATE TABLE dataSet (
      name TEXT PRIMARY KEY, catalogue TEXT NOT NULL REFERENCES catalogue, users INTEGER NOT NULL, events INTEGER NOT NULL,
      importedAt INTEGER NOT NULL, capEpsilon REAL, capDelta REAL, ledgerSize INTEGER NOT NULL DEFAULT 0, ledgerHead BLOB
    ) WITHOUT ROWID;
    -- One row for each user: distinct items, oldest first, as Int32; weights as Float32 or empty.
    CREATE TABLE shardUser (
      dataSet TEXT NOT NULL REFERENCES dataSet ON DELETE CASCADE, position INTEGER NOT NULL, name TEXT NOT NULL,
      items BLOB NOT NULL, weights BLOB NOT NULL, heldOut BLOB NOT NULL, negatives BLOB NOT NULL,
      PRIMARY KEY (dataSet, position)
    ) WITHOUT ROWID;
    CREATE INDEX shardUserByName ON shardUser (dataSet, name);
    -- Plans as they came, with the partner's consent where it gave one.
    CREATE TABLE plan (
      hash TEXT PRIMARY KEY, session TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL, signature BLOB NOT NULL,
      receivedAt INTEGER NOT NULL, dataSet TEXT REFERENCES dataSet, consent BLOB, end TEXT
    ) WITHOUT ROWID;
    -- Signed statements in order; sent when the coordinator has confirmed them.
    CREATE TABLE statement (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL, isSent INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    -- What the engine must remember over a crash.
    CREATE TABLE mark (
      session TEXT PRIMARY KEY, round INTEGER NOT NULL, attempt INTEGER NOT NULL, stage INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE coordinatorHead (session TEXT PRIMARY KEY, size INTEGER NOT NULL, head BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE peerHead (
      session TEXT NOT NULL, participant INTEGER NOT NULL, size INTEGER NOT NULL, head BLOB NOT NULL,
      PRIMARY KEY (session, participant)
    ) WITHOUT ROWID;
    CREATE TABLE release (
      session TEXT NOT NULL, round INTEGER NOT NULL, version INTEGER NOT NULL, bytes BLOB NOT NULL, model BLOB,
      PRIMARY KEY (session, round)
    ) WITHOUT ROWID;
    -- What became of attempts, for people; no secret and nothing of a user.
    CREATE TABLE attempt (
      session TEXT NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL, event TEXT NOT NULL, time INTEGER NOT NULL,
      PRIMARY KEY (session, round, attempt)
    ) WITHOUT ROWID;
    """

  private static let second = """
    -- What people have spent and may spend. Data sets that share users share a ledger; it is called as the first of them.
    CREATE TABLE ledger (
      name TEXT PRIMARY KEY, capEpsilon REAL, capDelta REAL, size INTEGER NOT NULL DEFAULT 0, head BLOB
    ) WITHOUT ROWID;
    INSERT INTO ledger SELECT name, capEpsilon, capDelta, ledgerSize, ledgerHead FROM dataSet;
    ALTER TABLE dataSet ADD COLUMN ledger TEXT REFERENCES ledger;
    UPDATE dataSet SET ledger = name;
    ALTER TABLE dataSet DROP COLUMN capEpsilon;
    ALTER TABLE dataSet DROP COLUMN capDelta;
    ALTER TABLE dataSet DROP COLUMN ledgerSize;
    ALTER TABLE dataSet DROP COLUMN ledgerHead;
    """
}
