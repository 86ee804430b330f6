// Package localpg runs a private PostgreSQL in a data directory, for a Laminar
// that was given no database.
//
// The data directory belongs to one Laminar at a time, which holds an advisory
// lock on the lock file as long as it lives. Below the directory:
//
//	laminar.lock     locked by the owner; holds its process id
//	password         the generated password, mode 0600
//	postgres.json    how to reach the running server, mode 0600; see Running
//	postgres.log     what the server says; put aside at 16 MiB
//	postgres/        the cluster, made by initdb, mode 0700
//	run/             the Unix socket, mode 0700
//
// The directory and the first four files, and run when it is made, belong to root
// or to the OS user that runs Laminar, are not links, and cannot be written to by
// other users. Anything else is refused and left as it is (UntrustedError); see
// folder for the reason. A password file that others can read is closed to them.
//
// The server listens on its Unix socket only and wants the password (scram).
// A socket's path is limited to about a hundred bytes; in a data directory
// whose path is longer the socket lives in a directory of its own under /tmp.
//
// PostgreSQL refuses to run as root, so a Laminar that is root runs it as
// another OS user: the owner of the cluster if there is one, else postgres or
// the next of a short list. That user must be able to enter the data directory.
//
// # What is killed, and what happens then
//
//   - PostgreSQL: Done is closed, and Supervise starts it again under the same
//     URL. PostgreSQL's own crash recovery keeps what was committed.
//   - Laminar: on Linux the kernel tells PostgreSQL, which shuts down in order.
//     Nothing relies on it: the next Start finds a server that is still there,
//     stops it and starts its own. So a running server is always the child of a
//     Laminar that waits for it.
//   - Both, or the machine: the lock is gone with its owner; a postmaster.pid
//     whose process id now belongs to some other program, and a stale socket,
//     are removed.
//
// The server is in a process group of its own: Ctrl-C reaches Laminar only,
// which stops the server last.
package localpg
