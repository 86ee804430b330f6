// Package pg is one PostgreSQL database: its connections, sessions, locks and
// COPY, and the one door through which its errors come.
//
// PostgreSQL is the authority for everything durable. This package knows none
// of it: it has no tables and no words of the domain but the sentinels of
// package sequence, which is what the driver's errors become here.
//
// What the packages above rely on:
//
//   - Sessions. Every session of the pool, and every dedicated one, has the
//     settings of queries/pg/session_settings.sql: Laminar's schema on the search
//     path, READ COMMITTED, UTC. Open refuses a transaction pooler, behind which
//     settings, LISTEN and exported snapshots would belong to no session.
//   - Errors. Only errors.go, and connecterror.go at the start, look into an error
//     of the driver. An error that has passed Interpret carries a sentinel wherever
//     a caller has something to decide. An answer to COMMIT passes InterpretCommit: everything but a clear
//     refusal may have come after the commit (I2).
//   - COPY. When CopyRows returns, nothing reads its rows any more, also where
//     the connection broke.
//   - Locks. LockOut saves work and makes nothing right: its session can break
//     while the work goes on, so what is done under it must be safe without it.
//
// It retries nothing: how long a failure is waited for is the caller's decision.
package pg
