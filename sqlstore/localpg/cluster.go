package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// createCluster runs initdb. It works in a directory beside the final one and
// renames it when all is done, so a cluster is there whole or not at all. The
// caller holds the lock; a directory that an earlier attempt left is removed.
func createCluster(ctx context.Context, l layout, b Binaries, who account, sync bool) error {
	if err := l.home.root.RemoveAll(newName); err != nil {
		return fmt.Errorf("remove an unfinished cluster: %w", err)
	}
	if err := l.home.makeDir(newName, who); err != nil {
		return fmt.Errorf("create cluster directory: %w", err)
	}
	passwordCopy, err := lendPassword(l, who)
	if err != nil {
		return fmt.Errorf("hand the password to initdb: %w", err)
	}
	args := []string{
		"--pgdata=" + l.newCluster(), "--username=" + roleName, "--pwfile=" + passwordCopy,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--data-checksums",
	}
	if !sync {
		args = append(args, "--no-sync")
	}
	out, err := who.command(ctx, l.newCluster(), b.program("initdb"), args...).CombinedOutput()
	err = errors.Join(wrapInitdb(err, l.dir, out), l.home.root.Remove(filepath.Join(runName, lentName)))
	if err == nil {
		err = appendInclude(l.newCluster(), who)
	}
	if err == nil {
		err = l.home.root.Rename(newName, clusterName)
	}
	if err != nil {
		return fmt.Errorf("create a cluster in %s: %w", l.dir, errors.Join(err, l.home.root.RemoveAll(newName)))
	}
	return l.home.sync()
}

// lentName is the copy of the password in the run directory.
const lentName = "initdb-password"

// lendPassword puts a copy of the password where the server's OS user can read
// it: the original belongs to us alone, and initdb takes it from a file only.
func lendPassword(l layout, who account) (string, error) {
	word, err := l.password()
	if err != nil {
		return "", err
	}
	run, err := openFolder(l.runDir(), who.uid())
	if err != nil {
		return "", err
	}
	err = run.replace(lentName, []byte(word+"\n"), who)
	return filepath.Join(l.runDir(), lentName), errors.Join(err, run.close())
}

// appendInclude makes the cluster read our settings, after what initdb found
// out about the machine and before what a user adds to the file's end.
func appendInclude(cluster string, who account) (err error) {
	dir, err := openFolder(cluster, who.uid())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	file, err := dir.file("postgresql.conf", os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("\n# Laminar writes " + settingsFile + " anew at every start. Settings below this line win over it.\ninclude '" + settingsFile + "'\n")
	return errors.Join(err, file.Sync(), file.Close())
}

func wrapInitdb(err error, dir string, out []byte) error {
	if err == nil {
		return nil
	}
	return &StartError{Program: "initdb", Dir: dir, Tail: lastLines(string(out)), Err: err}
}

// clusterMajor is the major version that made the cluster.
func clusterMajor(l layout) (int, error) {
	text, err := os.ReadFile(filepath.Join(l.cluster(), "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("read the cluster's version: %w", err)
	}
	return number(string(text)), nil
}

// lastLines returns the last few lines that are not empty.
func lastLines(text string) []string {
	const keep = 6
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-keep):]
}
